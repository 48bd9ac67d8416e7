"""Masks of class numbers: one number for every pixel, in a palette or grey image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.images import open_image
from cdpnet.runtime.constants import IGNORE_INDEX, UNLABELLED


def read_class_numbers(path: Path) -> NDArray[np.int64]:
    """The numbers in a mask, palette or grey, (H, W). DataError where it holds colours or cannot be read."""
    image = open_image(path)
    if image.mode not in ("P", "L", "1") and not image.mode.startswith("I"):
        raise DataError(f"{path} holds colours; a mask holds class numbers, as a palette or grey PNG.")
    return np.array(image).astype(np.int64)


def to_labels(values: NDArray[np.int64], n_classes: int, path: Path) -> NDArray[np.int16]:
    """Numbers 0..n_classes as labels (H, W); 255 becomes `UNLABELLED`. DataError for any other number."""
    ignored = values == IGNORE_INDEX
    wrong = values[~ignored & ((values < 0) | (values > n_classes))]
    if wrong.size:
        raise DataError(
            f"{path} holds the number {int(wrong[0])}; its classes are 1 to {n_classes}, with 0 for background and "
            f"{IGNORE_INDEX} for unlabelled pixels."
        )
    return np.where(ignored, UNLABELLED, values).astype(np.int16)
