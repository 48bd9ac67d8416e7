"""YOLO's segmentation labels: a text file for each image, a line for each connected part of a class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from cdpnet.io.files import write_text
from cdpnet.labels.label_set import NAMES_FILE, LabelFormat, LabelSet
from cdpnet.labels.regions import ImageLabels, trace_outlines
from cdpnet.labels.yolo_names import DATA_FILE

FOLDER = "labels"


def image_file(image: str) -> str:
    """The path of an image's label file, below the folder of labels."""
    return f"{FOLDER}/{Path(image).with_suffix('.txt')}"


def write_image(labels: ImageLabels, target: LabelSet) -> None:
    """Write the file of one image; it is empty for an image without regions. Points are fractions of width, height."""
    lines = []
    for region in labels.regions:
        number = target.classes.index(region.label)
        for outline in trace_outlines(labels.mask(region)):
            fractions = (outline / (labels.width, labels.height)).ravel()
            lines.append(" ".join([str(number), *(f"{fraction:.8f}" for fraction in fractions)]))
    write_text("".join(f"{line}\n" for line in lines), target.out / image_file(labels.image))


def write_shared(_read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write the names of the classes, as classes.txt and as YOLO's data.yaml."""
    target.write_names()
    images = Path(os.path.relpath(target.images, target.out)).as_posix()
    content = {"path": ".", "train": images, "val": images, "names": dict(enumerate(target.classes))}
    write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), target.out / DATA_FILE)


FORMAT = LabelFormat("YOLO", image_file, write_image, (NAMES_FILE, DATA_FILE), write_shared)
