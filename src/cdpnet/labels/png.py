"""Masks as PNG: 1-bit, grey, palette or RGBA in; a palette PNG out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.io.files import atomic
from cdpnet.io.images import open_image
from cdpnet.runtime.constants import IGNORE_INDEX

MaskSource = str | Path | Image.Image | np.ndarray | Tensor

# Eight colours that stay apart on photographs and for colour-blind eyes; index 0 is the background.
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

    Palette masks: index 0 is background, 255 ignore, any other foreground; in black and white alone they are read by
    colour. Grey masks with values 0, 1 and 255 only, a 1 among them, are read as indices too; other grey masks, and
    colour masks by their brightest channel, are foreground from 128 on. An RGBA mask whose alpha varies is read by its
    alpha. Arrays and tensors: bool, or as grey masks.

    size: (H, W) of the image. DataError for another size, and for a mask that is empty or covers everything.
    """
    name = name or (str(source) if isinstance(source, (str, Path)) else "the mask")
    values = _values(source)
    if values.ndim != 2:
        raise DataError(f"{name} has the shape {values.shape}; a mask is (H, W).")
    if size is not None and values.shape != tuple(size):
        raise DataError(
            f"{name} is {values.shape[1]} x {values.shape[0]} pixels and its image {size[1]} x {size[0]}; "
            "a mask has the size of its image."
        )
    counted = values != IGNORE_INDEX
    if not (values == 1).any():
        raise DataError(f"{name} is empty: no pixel is 1, or 128 and more; paint the object white (255) on black.")
    if (values[counted] == 1).all():
        raise DataError(f"{name} covers the whole image; leave some background unmarked (0) to compare with.")
    return torch.from_numpy(values)


def _values(source: MaskSource) -> NDArray[np.uint8]:
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
            white: NDArray[np.bool_] = colours[..., 0] == 255
            return white.astype(np.uint8)
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
    """Write labels (H, W), 0 for background, as a palette PNG of the same indices."""
    image = Image.fromarray(mask).convert("P")
    image.putpalette(sum((colour_of(i) for i in range(256)), ()))
    with atomic(path) as temporary:
        image.save(temporary)


def colour_of(index: int) -> tuple[int, int, int]:
    """The colour of a class by its index in a mask; they repeat after eight classes."""
    if index == IGNORE_INDEX:
        return (224, 224, 192)
    return PALETTE[index if index == 0 else (index - 1) % (len(PALETTE) - 1) + 1]
