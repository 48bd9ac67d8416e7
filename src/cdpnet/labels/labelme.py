"""LabelMe's JSON: one file for each image, a polygon for each connected part of a class."""

from __future__ import annotations

import base64
import binascii
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io.files import write_json
from cdpnet.labels.label_set import LabelFormat, LabelSet
from cdpnet.labels.regions import ImageLabels, Region, region_from_mask, region_from_outlines, trace_outlines

_VERSION = "5.5.0"  # of LabelMe, whose layout is written
_CIRCLE_POINTS = 64


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
            _polygon(region.label, outline.tolist())
            for region in labels.regions
            for outline in trace_outlines(labels.mask(region))
        ],
        "imagePath": Path(os.path.relpath(target.images / labels.image, path.parent)).as_posix(),
        "imageData": None,
        "imageHeight": labels.height,
        "imageWidth": labels.width,
    }
    write_json(content, path)


FORMAT = LabelFormat("LabelMe", image_file, write_image)


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


def read(content: dict[str, Any], path: Path) -> ImageLabels:
    """The shapes of a file, one region for each. DataError where the content is not LabelMe's."""
    try:
        size = (int(content["imageHeight"]), int(content["imageWidth"]))
        regions = [region for shape in content["shapes"] if (region := _read_shape(shape, size)) is not None]
        return ImageLabels(str(content["imagePath"]), *size, tuple(regions))
    except (KeyError, TypeError, ValueError, IndexError, OSError, binascii.Error) as error:
        raise DataError(f"{path} is not a LabelMe file ({error!r} is missing or has another type).") from None


def _read_shape(shape: dict[str, Any], size: tuple[int, int]) -> Region | None:
    """The region of a shape; None for points and lines, which enclose no pixels."""
    label, points = str(shape["label"]), shape["points"]
    kind = shape.get("shape_type", "polygon")
    if kind == "polygon":
        return region_from_outlines([[x for point in points for x in point]], size, label)
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        return region_from_outlines([[x0, y0, x1, y0, x1, y1, x0, y1]], size, label)
    if kind == "circle":
        return region_from_outlines([_circle(*points)], size, label)
    if kind == "mask":
        return region_from_mask(_paste(shape["mask"], points[0], size), label)
    return None


def _circle(centre: Sequence[float], edge: Sequence[float]) -> list[float]:
    """The outline of a circle given by its centre and a point on its edge, as x1, y1, x2, y2, .."""
    (x, y), radius = centre, math.dist(centre, edge)
    angles = [2 * math.pi * i / _CIRCLE_POINTS for i in range(_CIRCLE_POINTS)]
    return [part for angle in angles for part in (x + radius * math.cos(angle), y + radius * math.sin(angle))]


def _paste(encoded: str, corner: Sequence[float], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of a base64 image that covers a bounding box with its top left corner at x, y."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        inside = np.array(image.convert("L")) > 0
    mask = np.zeros(size, dtype=bool)
    left, top = int(corner[0]), int(corner[1])
    box = mask[top : top + inside.shape[0], left : left + inside.shape[1]]
    box[:] = inside[: box.shape[0], : box.shape[1]]
    return mask
