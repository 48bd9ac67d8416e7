"""Images of any mode as RGB of 8 bits, whole or reduced: in bands of rows, so that little is held at full size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io.tiff_strips import StripedTiff

_BAND = 2**20  # pixels that are converted at a time (our choice)
_MOST_16_BITS = np.iinfo(np.uint16).max
_TO_8_BITS = np.round(np.arange(_MOST_16_BITS + 1) / _MOST_16_BITS * 255).astype(np.uint8)


class Extent(NamedTuple):
    """The smallest and the largest number of an image."""

    smallest: float
    largest: float


def as_rgb(image: Image.Image | StripedTiff, factor: int, name: str) -> Image.Image:
    """An image as RGB; each pixel is the mean of a square of ``factor`` pixels, of fewer at the border.

    Grey is repeated, transparency is laid on white. Numbers of 16 or 32 bits are 0 to 65535; those of floating point
    are 0 to 1, or 0 to 255 where one is larger than 1. DataError, which calls the image ``name``, for others.
    """
    if isinstance(image, Image.Image) and image.mode == "RGB" and factor == 1 and "transparency" not in image.info:
        return image
    extent = _extent(image) if image.mode.startswith("I") or image.mode == "F" else None
    rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, band in _bands(image, factor):
        rgb.paste(_band_as_rgb(band, extent, name).reduce(factor), (0, top // factor))
    return rgb


def _bands(image: Image.Image | StripedTiff, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """Bands of an image with the row that they begin at, a multiple of ``factor``."""
    rows = max(1, _BAND // (image.width * factor)) * factor
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _extent(image: Image.Image | StripedTiff) -> Extent:
    """Of an image of numbers, which say by the largest of all what they mean; not finite where one of them is not."""
    bands = (np.array(band) for _, band in _bands(image, 1))
    smallest, largest = zip(*((band.min(), band.max()) for band in bands), strict=True)
    return Extent(float(np.min(smallest)), float(np.max(largest)))


def _band_as_rgb(image: Image.Image, extent: Extent | None, name: str) -> Image.Image:
    if extent is not None:
        values = np.array(image)
        image = Image.fromarray((_fractions_in_8_bits if image.mode == "F" else _16_in_8_bits)(values, extent, name))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _16_in_8_bits(values: NDArray[np.int32], extent: Extent, name: str) -> NDArray[np.uint8]:
    """Numbers (H, W) of 16 or 32 bits. DataError where one of the image has no 16 bits."""
    if extent.smallest < 0 or extent.largest > _MOST_16_BITS:
        raise DataError(
            f"{name} holds the numbers {extent.smallest:.0f} to {extent.largest:.0f}; an image has 0 to 65535."
        )
    found: NDArray[np.uint8] = _TO_8_BITS[values]
    return found


def _fractions_in_8_bits(values: NDArray[np.float32], extent: Extent, name: str) -> NDArray[np.uint8]:
    """Floating-point numbers (H, W), 0 to 1 where none of the image is larger.

    DataError where one is not finite, or one of the image is outside 0..255.
    """
    if not (math.isfinite(extent.smallest) and math.isfinite(extent.largest)):
        raise DataError(f"{name} holds numbers that are not finite; an image has 0 to 255.")
    if extent.smallest < 0 or extent.largest > 255:
        raise DataError(
            f"{name} holds the numbers {extent.smallest:g} to {extent.largest:g}; an image of floating-point numbers "
            "has 0 to 1, or 0 to 255."
        )
    fractions = values if extent.largest <= 1 else values / np.float32(255)
    return (fractions * np.float32(255)).round().astype(np.uint8)
