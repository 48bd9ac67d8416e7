"""Images that are segmented again and again, as while classes are taught: each is encoded once (our addition)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.preprocessing import PreprocessedImage
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter

_MOST_BYTES = 2**28  # of features; `photo` has 2.5 MB of an image of 640 x 426 pixels


class _Encoded(NamedTuple):
    """An image at working size, and its features F (C, h', w')."""

    image: PreprocessedImage
    features: Tensor


class EncodedImages:
    """Segments images as a `Segmenter` does, and holds what it found in those that were segmented last.

    One thread at a time uses it. most_bytes: that are held.
    """

    def __init__(self, segmenter: Segmenter, most_bytes: int = _MOST_BYTES) -> None:
        self.segmenter, self.most_bytes = segmenter, most_bytes
        self._held: OrderedDict[tuple[Path, int, int], _Encoded] = OrderedDict()  # by file, its time and its size
        self._n_bytes = 0

    def segment(
        self, file: Path, classes: Sequence[ClassPrototype], *, min_presence: float | None = None
    ) -> Segmentation:
        """As `Segmenter.segment`, with its errors, and the same masks to the bit; OSError for a file that is gone."""
        segmenter, status = self.segmenter, file.stat()
        key = file, status.st_mtime_ns, status.st_size
        if key in self._held:
            self._held.move_to_end(key)
            image, features = self._held[key]
        else:
            image = segmenter.preprocessing.load(file)
            encoded = segmenter.encode(image)
            if encoded is None:
                return segmenter.segment_preprocessed([image], classes, min_presence=min_presence)[0]
            features = encoded
            self._hold(key, _Encoded(image, features.cpu()))
        return segmenter.segment_preprocessed([image], classes, min_presence=min_presence, features=[features])[0]

    def _hold(self, key: tuple[Path, int, int], encoded: _Encoded) -> None:
        self._held[key] = encoded
        self._n_bytes += _bytes_of(encoded)
        while self._n_bytes > self.most_bytes and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            self._n_bytes -= _bytes_of(oldest)


def _bytes_of(encoded: _Encoded) -> int:
    return encoded.features.nbytes + encoded.image.image.nbytes
