"""Palette PNG masks, one for each image, with the names of the classes in classes.txt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.io.label_folders import MASKS, NAMES_FILE
from cdpnet.labels.label_set import LabelFormat, LabelSet
from cdpnet.labels.palette import write_mask
from cdpnet.labels.regions import ImageLabels
from cdpnet.runtime.constants import IGNORE_INDEX

FOLDER = MASKS
MOST_CLASSES = IGNORE_INDEX - 1


def image_file(image: str) -> str:
    """The path of an image's mask, below the folder of labels."""
    return f"{FOLDER}/{Path(image).with_suffix('.png')}"


def number_classes(labels: ImageLabels, classes: Sequence[str]) -> NDArray[np.uint8]:
    """As `ImageLabels.class_numbers`, of no more than `MOST_CLASSES`."""
    found = np.zeros(labels.size, np.uint8, order="F")  # by columns, as regions are
    labels.write_numbers(classes, found)
    return np.ascontiguousarray(found)


def write_image(labels: ImageLabels, target: LabelSet) -> None:
    """Write the mask of one image; index i is line i of classes.txt, so `--data folder` reads the folder."""
    write_mask(target.out / image_file(labels.image), number_classes(labels, target.classes))


def write_shared(_read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write classes.txt."""
    target.write_names()


FORMAT = LabelFormat("PNG masks", image_file, write_image, "", (NAMES_FILE,), write_shared, most_classes=MOST_CLASSES)
