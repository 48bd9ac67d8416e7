"""Files of the format safetensors, which holds tensors and text and no code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from cdpnet.io.files import regular_file

_MOST_HEADER_BYTES = 2**23  # the names and shapes of some 80,000 tensors; it is parsed as a whole


@contextmanager
def open_tensors(path: Path, what: str, most_bytes: int | None = None) -> Iterator[Any]:
    """The open file, whose tensors are read one by one, from a mapping of it.

    what, most_bytes: as in `regular_file`, with its DataError. SafetensorError where the file is broken.
    """
    with regular_file(path, what, most_bytes).open("rb") as file:
        if int.from_bytes(file.read(8), "little") > _MOST_HEADER_BYTES:
            raise SafetensorError("its header is too long")
    with safe_open(path, "pt") as opened:
        yield opened
