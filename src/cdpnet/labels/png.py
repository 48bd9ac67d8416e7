"""Masks as tensors, from files, images, arrays and tensors: 1-bit, grey, palette and RGBA masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.io.images import open_image
from cdpnet.labels.mask_pixels import pixels_of_image, pixels_of_numbers
from cdpnet.labels.orientation import fit
from cdpnet.labels.reading_options import DEFAULT, ReadingOptions
from cdpnet.runtime.constants import IGNORE_INDEX

MaskSource = str | Path | Image.Image | np.ndarray | Tensor


class UnusableMaskError(DataError):
    """A mask with too little object, or too little background, to learn from."""


class EmptyMaskError(UnusableMaskError):
    """A mask without an object."""


def read_mask(
    source: MaskSource,
    size: tuple[int, int] | None = None,
    name: str = "",
    options: ReadingOptions = DEFAULT,
    image: Path | None = None,
) -> Tensor:
    """A mask as (H, W) uint8: 0 background, 1 foreground, 255 ignore.

    Palette masks: index 0 is background, 255 ignore, another index the object; a palette of black and white is read by
    colour. Grey masks of numbers up to 63 are read as indices too; other grey masks have two levels, the object being
    the lighter one, and soft edges are cut halfway. Masks in colours have one colour on black, and an RGBA mask with
    varying alpha one colour where it is visible. Arrays and tensors: bool, or values as in grey masks. Where a mask
    holds several classes, ``options`` choose the number or the colour of one.

    size: (H, W) of the image. name: what error messages call the mask, by default its path. image: the file of the
    image; a mask that was made for it as it is stored is turned as its EXIF tag turns it.
    DataError for another size, for a mask that is empty or covers the whole image, for one of several classes of which
    none is chosen, and for a photograph.
    """
    name = name or (str(source) if isinstance(source, (str, Path)) else "the mask")
    values = _read_values(source, name, options)
    if image is not None:
        values = fit(values, image, options.exif)
    if size is not None and values.shape != tuple(size):
        raise DataError(
            f"{name} is {values.shape[1]} x {values.shape[0]} pixels and its image {size[1]} x {size[0]}; "
            "a mask has the size of its image."
        )
    is_counted = values != IGNORE_INDEX
    if not (values == 1).any():
        raise EmptyMaskError(f"{name} is empty: no pixel is marked; draw the object white (255) on black.")
    if (values[is_counted] == 1).all():
        raise UnusableMaskError(f"{name} covers the whole image; leave some background unmarked (0) to compare with.")
    return torch.from_numpy(values)


def _read_values(source: MaskSource, name: str, options: ReadingOptions) -> NDArray[np.uint8]:
    """The mask before any check: 0, 1 and 255."""
    if isinstance(source, Tensor):
        source = source.cpu().numpy()
    if not isinstance(source, np.ndarray):
        return pixels_of_image(open_image(source), name, options)
    if source.ndim != 2 or 0 in source.shape:
        raise DataError(f"{name} has the shape {source.shape}; a mask is (H, W).")
    return source.astype(np.uint8) if source.dtype == np.bool_ else pixels_of_numbers(source, name, options)
