"""The colours of classes, and masks as palette PNG in these colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.io.files import write_image
from cdpnet.runtime.constants import IGNORE_INDEX

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


def write_mask(path: Path, mask: NDArray[np.uint8]) -> None:
    """Write a mask (H, W) of class indices, 0 for background, as a palette PNG with the same indices."""
    write_image(palette_image(mask), path)


def palette_image(mask: NDArray[np.uint8]) -> Image.Image:
    """A mask (H, W) of class indices as a palette image with the same indices."""
    image = Image.fromarray(mask)  # grey, which a palette turns into indices without a copy
    image.putpalette(sum((colour_of(i) for i in range(256)), ()))
    return image


def colour_of(index: int) -> tuple[int, int, int]:
    """The RGB colour of a class by its index in a mask; colours repeat after eight classes."""
    if index == IGNORE_INDEX:
        return (224, 224, 192)
    return PALETTE[index if index == 0 else (index - 1) % (len(PALETTE) - 1) + 1]
