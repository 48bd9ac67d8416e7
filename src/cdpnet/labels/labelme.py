"""LabelMe's JSON: one file for each image, a polygon for each connected part of a class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypedDict

from cdpnet.io.files import write_json
from cdpnet.labels.label_set import BACKGROUND, LabelFormat, LabelSet
from cdpnet.labels.outlines import trace_outlines
from cdpnet.labels.regions import ImageLabels

_VERSION = "5.5.0"  # of LabelMe, whose layout is written
_CENTRE = 0.5  # of a pixel; LabelMe fills whole pixels, those under the line included


class _Shape(TypedDict):
    """An entry of ``shapes``; points are x, y in pixels."""

    label: str
    points: list[list[float]]
    group_id: None
    description: str
    shape_type: str
    flags: dict[str, bool]
    mask: None


class _Content(TypedDict):
    """A file; imagePath is relative to it, imageHeight and imageWidth are in pixels."""

    version: str
    flags: dict[str, bool]
    shapes: list[_Shape]
    imagePath: str
    imageData: None
    imageHeight: int
    imageWidth: int


def image_file(image: str) -> str:
    """The path of an image's label file, below the folder of labels."""
    return str(Path(image).with_suffix(".json"))


def write_image(labels: ImageLabels, target: LabelSet) -> None:
    """Write the file of one image; it refers to the image by its relative path and holds no copy of it."""
    path = target.out / image_file(labels.image)
    content: _Content = {
        "version": _VERSION,
        "flags": {},
        "shapes": [
            _polygon(region.label, (outline + _CENTRE).tolist())
            for region in labels.regions
            for outline in trace_outlines(labels.mask(region))
        ],
        "imagePath": Path(os.path.relpath(target.images / labels.image, path.parent)).as_posix(),
        "imageData": None,
        "imageHeight": labels.height,
        "imageWidth": labels.width,
    }
    write_json(content, path)


FORMAT = LabelFormat("LabelMe", image_file, write_image, background=BACKGROUND)


def _polygon(label: str, points: list[list[float]]) -> _Shape:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }
