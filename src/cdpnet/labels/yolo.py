"""YOLO's segmentation labels: a text file for each image, a line for each connected part of a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import numpy as np
import yaml

from cdpnet.io.files import write_text
from cdpnet.io.label_folders import NAMES_FILE
from cdpnet.labels.label_set import BACKGROUND, NOT_IN_LINES, LabelFormat, LabelSet
from cdpnet.labels.outlines import trace_outlines
from cdpnet.labels.regions import ImageLabels
from cdpnet.labels.split import split_images
from cdpnet.labels.yolo_names import DATA_FILE

LABELS, IMAGES = "labels", "images"
LIST_FILES = ("train.txt", "val.txt")
_PRECISION = 1.5e-7  # of fractions that trainers hold and multiply in 32 bits


def image_file(image: str) -> str:
    """The path of an image's label file, below the folder of labels, where trainers look for it.

    They replace the last folder ``images`` in the path of an image by ``labels``.
    """
    head, _, tail = f"/{IMAGES}/{image}".rpartition(f"/{IMAGES}/")
    return f"{head}/{LABELS}/{PurePosixPath(tail).with_suffix('.txt')}".removeprefix("/")


def write_image(labels: ImageLabels, target: LabelSet) -> None:
    """Write the file of one image; it is empty for an image without regions. Points are fractions of width, height."""
    lines = []
    sides = np.array([labels.width, labels.height])
    # Just before the centre of a pixel: tools that round get its number, and so do tools that cut off. Those that first
    # interpolate along a diagonal get one of its pixels, the more surely the nearer to the centres the line is.
    in_pixel = 0.5 - _PRECISION * sides
    for region in labels.regions:
        number = target.classes.index(region.label)
        for outline in trace_outlines(labels.mask(region)):
            fractions = ((outline + in_pixel) / sides).ravel()
            lines.append(" ".join([str(number), *(f"{fraction:.9f}" for fraction in fractions)]))
    write_text("".join(f"{line}\n" for line in lines), target.out / image_file(labels.image))


def write_shared(read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write the names of the classes, as classes.txt and as YOLO's data.yaml, and the lists of images it names."""
    target.write_names()
    lists = split_images([labels.image for labels in read_all()])
    for name, images in zip(LIST_FILES, lists, strict=True):
        write_text("".join(f"./{IMAGES}/{image}\n" for image in images), target.out / name)
    # Without an entry for the folder it is that of the file.
    content = {"train": LIST_FILES[0], "val": LIST_FILES[1], "names": dict(enumerate(target.classes))}
    write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), target.out / DATA_FILE)


FORMAT = LabelFormat(
    "YOLO",
    image_file,
    write_image,
    IMAGES,
    (NAMES_FILE, DATA_FILE, *LIST_FILES),
    write_shared,
    NOT_IN_LINES,
    background=BACKGROUND,
)
