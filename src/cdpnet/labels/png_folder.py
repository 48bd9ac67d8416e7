"""Palette PNG masks, one for each image, with the names of the classes in classes.txt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from cdpnet.labels.label_set import NAMES_FILE, LabelFormat, LabelSet
from cdpnet.labels.png import write_mask
from cdpnet.labels.regions import ImageLabels

FOLDER = "masks"


def image_file(image: str) -> str:
    """The path of an image's mask, below the folder of labels."""
    return f"{FOLDER}/{Path(image).with_suffix('.png')}"


def write_image(labels: ImageLabels, target: LabelSet) -> None:
    """Write the mask of one image; index i is line i of classes.txt, so `--data folder` reads the folder."""
    mask = np.zeros(labels.size, np.uint8)
    for region in labels.regions:
        mask[labels.mask(region) > 0] = target.classes.index(region.label) + 1
    write_mask(target.out / image_file(labels.image), mask)


def write_shared(_read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write classes.txt."""
    target.write_names()


FORMAT = LabelFormat("PNG masks", image_file, write_image, (NAMES_FILE,), write_shared)
