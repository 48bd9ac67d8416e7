"""TIFF images whose rows are decoded as they are asked for, since Pillow decodes a TIFF image as a whole."""

from __future__ import annotations

import io
import os
from itertools import accumulate

from PIL import ExifTags, Image
from PIL import TiffImagePlugin as Tiff
from PIL.TiffTags import LONG

_LOSSLESS = (1, 5, 8, 32773, 32946, 34925, 50000)  # none, LZW, Deflate, PackBits, Deflate as it was, LZMA, Zstandard
_COLOURS = (0, 1, 2, 3, 5)  # PhotometricInterpretation: grey both ways, RGB, palette, CMYK
_INTERLEAVED, _UPRIGHT = 1, 1  # PlanarConfiguration, Orientation
_MOST_PIXELS = 2**20  # of a strip (our choice); larger ones would be decoded again and again
_PIXEL_TAGS = (  # what pixels mean, which is all that is needed to decode some of them
    Tiff.IMAGEWIDTH,
    Tiff.BITSPERSAMPLE,
    Tiff.COMPRESSION,
    Tiff.PHOTOMETRIC_INTERPRETATION,
    Tiff.FILLORDER,
    Tiff.SAMPLESPERPIXEL,
    Tiff.ROWSPERSTRIP,
    Tiff.PLANAR_CONFIGURATION,
    Tiff.PREDICTOR,
    Tiff.COLORMAP,
    Tiff.EXTRASAMPLES,
    Tiff.SAMPLEFORMAT,
)


class StripedTiff:
    """A TIFF image in strips of whole rows, of which Pillow decodes some as a small TIFF image of their own.

    mode, width, height, info: as of a PIL image. The file of the image must stay open.
    """

    def __init__(self, image: Tiff.TiffImageFile) -> None:
        self.mode, self.info = image.mode, image.info
        self.width, self.height = image.size
        self._file, self._tags = image.fp, image.tag_v2
        self._rows: int = self._tags[Tiff.ROWSPERSTRIP]

    @classmethod
    def of(cls, image: Image.Image) -> StripedTiff | None:
        """An image that is not decoded yet; None where it is no TIFF, or is not in small strips without loss."""
        if not isinstance(image, Tiff.TiffImageFile) or image.fp is None or not image.tile:
            return None
        tags = image.tag_v2
        rows, offsets, counts = (tags.get(tag) for tag in (Tiff.ROWSPERSTRIP, Tiff.STRIPOFFSETS, Tiff.STRIPBYTECOUNTS))
        is_plain = (
            tags.get(Tiff.COMPRESSION) in _LOSSLESS
            and tags.get(Tiff.PHOTOMETRIC_INTERPRETATION) in _COLOURS
            and tags.get(Tiff.PLANAR_CONFIGURATION, _INTERLEAVED) == _INTERLEAVED
            and tags.get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT
        )
        is_cut = (
            isinstance(rows, int)
            and 0 < rows * image.width <= _MOST_PIXELS
            and isinstance(offsets, tuple)
            and isinstance(counts, tuple)
            and len(offsets) == len(counts) == -(-image.height // rows)
            and min(*offsets, *counts) >= 0
            and sum(counts) <= image.fp.seek(0, os.SEEK_END)  # others name one part of the file many times
        )
        return cls(image) if is_plain and is_cut else None

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """The pixels in a box: left, top, right, bottom. What Pillow raises where its strips are damaged."""
        left, top, right, bottom = box
        first, end = top // self._rows, -(-bottom // self._rows)
        above = first * self._rows
        with Tiff.TiffImageFile(io.BytesIO(self._as_file(first, end))) as band:
            return band.crop((left, top - above, right, bottom - above))

    def _as_file(self, first: int, end: int) -> bytes:
        """A TIFF file of the strips from ``first`` to the one before ``end``."""
        strips = [self._strip(number) for number in range(first, end)]
        lengths = [len(strip) for strip in strips]
        tags = Tiff.ImageFileDirectory_v2(prefix=self._tags.prefix)
        for tag in filter(self._tags.__contains__, _PIXEL_TAGS):
            tags.tagtype[tag] = self._tags.tagtype[tag]
            tags[tag] = self._tags[tag]
        tags[Tiff.IMAGELENGTH] = min(end * self._rows, self.height) - first * self._rows
        tags.tagtype |= dict.fromkeys((Tiff.STRIPOFFSETS, Tiff.STRIPBYTECOUNTS), LONG)
        tags[Tiff.STRIPBYTECOUNTS] = tuple(lengths)
        tags[Tiff.STRIPOFFSETS] = tuple(accumulate(lengths, initial=0))[:-1]
        file = io.BytesIO()
        tags.save(file)  # which adds the place where it ends to the offsets
        file.writelines(strips)
        return file.getvalue()

    def _strip(self, number: int) -> bytes:
        assert self._file is not None
        self._file.seek(self._tags[Tiff.STRIPOFFSETS][number])
        content: bytes = self._file.read(self._tags[Tiff.STRIPBYTECOUNTS][number])
        return content
