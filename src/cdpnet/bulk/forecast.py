"""What is said about the images of a run before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.images import LARGE_PIXELS, MAX_PIXELS, n_pixels
from cdpnet.runtime.text import counted, form

_MOST_HEADS = 10_000  # of image files that are read before the work starts (our choice: a few seconds)


def large_images(images: Iterable[Path]) -> str:
    """A sentence on the images of more than LARGE_PIXELS, empty where there are none.

    Only the heads of files are read, those of the first 10,000. An image that cannot be read does not count, nor one
    that is too large to be.
    """
    remaining = iter(images)
    count = sum(map(_is_large, islice(remaining, _MOST_HEADS)))
    if not count:
        return ""
    they = form(count, "it takes", "they take")
    among = f" among the first {_MOST_HEADS:,}" if next(remaining, None) is not None else ""
    large = f"of more than {LARGE_PIXELS // 10**6} megapixels"
    return f"{counted(count, 'image')} {large}{among}; {they} much longer than others."


def _is_large(image: Path) -> bool:
    with suppress(DataError, OSError):
        return LARGE_PIXELS < n_pixels(image) <= MAX_PIXELS
    return False
