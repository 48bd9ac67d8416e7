"""Masks as PNG: reads 1-bit, grey, palette and RGBA masks; writes palette PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.io.files import write_image
from cdpnet.io.images import open_image
from cdpnet.runtime.constants import IGNORE_INDEX

MaskSource = str | Path | Image.Image | np.ndarray | Tensor

# Index 0 is the background; the eight others are easy to tell apart on photographs, also for colour-blind people.
PALETTE = (
    (0, 0, 0),
    (255, 112, 32),
    (0, 160, 255),
    (0, 200, 120),
    (232, 60, 160),
    (255, 208, 0),
    (128, 96, 255),
    (120, 220, 240),
    (200, 80, 60),
)


def read_mask(source: MaskSource, size: tuple[int, int] | None = None, name: str = "") -> Tensor:
    """A mask as (H, W) uint8: 0 background, 1 foreground, 255 ignore.

    Palette masks: index 0 is background, 255 ignore, any other index foreground; a palette mask in pure black and
    white only is read by colour. Grey masks that hold only 0, 1 and 255, at least one of them 1, are read as indices
    too; other grey masks are foreground from 128 on, and colour masks where their brightest channel is. An RGBA mask
    with varying alpha is read by its alpha. Arrays and tensors: bool, or values as in grey masks.

    size: (H, W) of the image. name: what error messages call the mask, by default its path.
    DataError for another size, and for a mask that is empty or covers the whole image.
    """
    name = name or (str(source) if isinstance(source, (str, Path)) else "the mask")
    values = _read_values(source)
    if values.ndim != 2:
        raise DataError(f"{name} has the shape {values.shape}; a mask is (H, W).")
    if size is not None and values.shape != tuple(size):
        raise DataError(
            f"{name} is {values.shape[1]} x {values.shape[0]} pixels and its image {size[1]} x {size[0]}; "
            "a mask has the size of its image."
        )
    is_counted = values != IGNORE_INDEX
    if not (values == 1).any():
        raise DataError(f"{name} is empty: no pixel is 1, or 128 and more; draw the object white (255) on black.")
    if (values[is_counted] == 1).all():
        raise DataError(f"{name} covers the whole image; leave some background unmarked (0) to compare with.")
    return torch.from_numpy(values)


def _read_values(source: MaskSource) -> NDArray[np.uint8]:
    """The mask before any check: 0, 1 and 255."""
    if isinstance(source, Tensor):
        source = source.cpu().numpy()
    if isinstance(source, np.ndarray):
        return source.astype(np.uint8) if source.dtype == np.bool_ else _from_grey(source)
    image = open_image(source)
    if image.mode == "1":
        return np.array(image, dtype=np.uint8)
    if image.mode == "P":
        index = np.array(image)
        colours = np.array(image.convert("RGB"))
        if np.isin(colours, (0, 255)).all() and (colours == colours[..., :1]).all():
            is_white: NDArray[np.bool_] = colours[..., 0] == 255
            return is_white.astype(np.uint8)
        return np.where((index == 0) | (index == IGNORE_INDEX), index, 1).astype(np.uint8)
    if image.mode in ("RGBA", "LA"):
        alpha = np.array(image.getchannel("A"))
        if alpha.min() != alpha.max():
            return (alpha >= 128).astype(np.uint8)
    if image.mode.startswith("I"):  # 16 or 32 bits
        deep = np.array(image)
        return _from_grey(deep if deep.max() <= 255 else deep / 257)
    if image.mode == "L":
        return _from_grey(np.array(image))
    return _from_grey(np.array(image.convert("RGB")).max(axis=2))


def _from_grey(values: np.ndarray) -> NDArray[np.uint8]:
    if np.isin(values, (0, 1, IGNORE_INDEX)).all() and (values == 1).any():
        return values.astype(np.uint8)
    return (values >= 128).astype(np.uint8)


def write_mask(path: Path, mask: NDArray[np.uint8]) -> None:
    """Write a mask (H, W) of class indices, 0 for background, as a palette PNG with the same indices."""
    write_image(palette_image(mask), path)


def palette_image(mask: NDArray[np.uint8]) -> Image.Image:
    """A mask (H, W) of class indices as a palette image with the same indices."""
    image = Image.fromarray(mask).convert("P")
    image.putpalette(sum((colour_of(i) for i in range(256)), ()))
    return image


def colour_of(index: int) -> tuple[int, int, int]:
    """The RGB colour of a class by its index in a mask; colours repeat after eight classes."""
    if index == IGNORE_INDEX:
        return (224, 224, 192)
    return PALETTE[index if index == 0 else (index - 1) % (len(PALETTE) - 1) + 1]
