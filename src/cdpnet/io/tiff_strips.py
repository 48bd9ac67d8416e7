"""TIFF images whose rows are decoded as they are asked for, since Pillow decodes a TIFF image as a whole."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from PIL import ExifTags, Image
from PIL import TiffImagePlugin as Tiff
from PIL.TiffTags import LONG

_NOT_COMPRESSED = 1
_LOSSLESS = (1, 5, 8, 32773, 32946, 34925, 50000)  # none, LZW, Deflate, PackBits, Deflate as it was, LZMA, Zstandard
_COLOURS = (0, 1, 2, 3, 5)  # PhotometricInterpretation: grey both ways, RGB, palette, CMYK
_INTERLEAVED, _UPRIGHT = 1, 1  # PlanarConfiguration, Orientation
_MOST_PIXELS = 2**20  # of a strip (our choice); larger ones would be decoded again and again
_STRIP = 2**16  # bytes of each of the strips that one without compression is cut into (our choice)
_PIXEL_TAGS = (  # what pixels mean, which is all that is needed to decode some of them
    Tiff.IMAGEWIDTH,
    Tiff.BITSPERSAMPLE,
    Tiff.COMPRESSION,
    Tiff.PHOTOMETRIC_INTERPRETATION,
    Tiff.FILLORDER,
    Tiff.SAMPLESPERPIXEL,
    Tiff.PLANAR_CONFIGURATION,
    Tiff.PREDICTOR,
    Tiff.COLORMAP,
    Tiff.EXTRASAMPLES,
    Tiff.SAMPLEFORMAT,
)


class Place(NamedTuple):
    """Where a strip lies in its file, in bytes."""

    offset: int
    length: int


class StripedTiff:
    """A TIFF image in strips of whole rows, of which Pillow decodes some as a small TIFF image of their own.

    mode, width, height, info: as of a PIL image. The file of the image must stay open.
    """

    def __init__(self, image: Tiff.TiffImageFile, rows: int, places: Sequence[Place]) -> None:
        """An image with strips of ``rows`` rows at some places of its file."""
        self.mode, self.info = image.mode, image.info
        self.width, self.height = image.size
        self._file, self._tags = image.fp, image.tag_v2
        self._rows, self._places = rows, places

    @classmethod
    def of(cls, image: Image.Image) -> StripedTiff | None:
        """An image that is not decoded yet; None where it is no TIFF, or is not in small strips without loss."""
        if not isinstance(image, Tiff.TiffImageFile) or image.fp is None or not image.tile:
            return None
        tags = image.tag_v2
        is_plain = (
            tags.get(Tiff.COMPRESSION) in _LOSSLESS
            and tags.get(Tiff.PHOTOMETRIC_INTERPRETATION) in _COLOURS
            and tags.get(Tiff.PLANAR_CONFIGURATION, _INTERLEAVED) == _INTERLEAVED
            and tags.get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT
        )
        rows, places = _find_strips(image)
        if len(places) == 1 and tags.get(Tiff.COMPRESSION) == _NOT_COMPRESSED:
            rows, places = _cut(places[0], image)
        return cls(image, rows, places) if is_plain and 0 < rows * image.width <= _MOST_PIXELS else None

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """The pixels in a box: left, top, right, bottom. What Pillow raises where its strips are damaged."""
        left, top, right, bottom = box
        first, end = top // self._rows, -(-bottom // self._rows)
        above = first * self._rows
        with Tiff.TiffImageFile(io.BytesIO(self._as_file(first, end))) as band:
            return band.crop((left, top - above, right, bottom - above))

    def _as_file(self, first: int, end: int) -> bytes:
        """A TIFF file of the strips from ``first`` to the one before ``end``."""
        strips = [self._read(place) for place in self._places[first:end]]
        lengths = [len(strip) for strip in strips]
        tags = Tiff.ImageFileDirectory_v2(prefix=self._tags.prefix)
        for tag in filter(self._tags.__contains__, _PIXEL_TAGS):
            tags.tagtype[tag] = self._tags.tagtype[tag]
            tags[tag] = self._tags[tag]
        tags[Tiff.IMAGELENGTH] = min(end * self._rows, self.height) - first * self._rows
        tags[Tiff.ROWSPERSTRIP] = self._rows
        tags.tagtype |= dict.fromkeys((Tiff.STRIPOFFSETS, Tiff.STRIPBYTECOUNTS), LONG)
        tags[Tiff.STRIPBYTECOUNTS] = tuple(lengths)
        tags[Tiff.STRIPOFFSETS] = tuple(accumulate(lengths, initial=0))[:-1]
        file = io.BytesIO()
        tags.save(file)  # which adds the place where it ends to the offsets
        file.writelines(strips)
        return file.getvalue()

    def _read(self, place: Place) -> bytes:
        assert self._file is not None
        self._file.seek(place.offset)
        return self._file.read(place.length)


def _find_strips(image: Tiff.TiffImageFile) -> tuple[int, list[Place]]:
    """The rows of a strip and the places of all; 0 and none where the tags do not fit together or with the file."""
    rows, offsets, counts = (
        image.tag_v2.get(tag) for tag in (Tiff.ROWSPERSTRIP, Tiff.STRIPOFFSETS, Tiff.STRIPBYTECOUNTS)
    )
    if not (isinstance(rows, int) and rows > 0 and isinstance(offsets, tuple) and isinstance(counts, tuple)):
        return 0, []
    fits = len(offsets) == len(counts) == -(-image.height // rows) and min(*offsets, *counts) >= 0
    if not fits or image.fp is None or sum(counts) > image.fp.seek(0, os.SEEK_END):  # a part of the file many times
        return 0, []
    return rows, list(map(Place, offsets, counts))


def _cut(strip: Place, image: Tiff.TiffImageFile) -> tuple[int, list[Place]]:
    """The only strip of an image without compression as several, and their rows; as it is if its length is another."""
    bits = image.tag_v2.get(Tiff.BITSPERSAMPLE, (1,))
    stride = -(-image.width * sum(bits) // 8)
    if len(bits) != image.tag_v2.get(Tiff.SAMPLESPERPIXEL, 1) or strip.length != stride * image.height:
        return image.height, [strip]
    step = max(1, _STRIP // stride) * stride
    starts = range(0, strip.length, step)
    return step // stride, [Place(strip.offset + start, min(step, strip.length - start)) for start in starts]
