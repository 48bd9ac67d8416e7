"""LabelMe's JSON: one file for each image, a polygon for each connected part of a class."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError, as_list, as_name, as_point, as_record, as_text, as_whole, get
from cdpnet.io.files import write_json
from cdpnet.io.images import open_image
from cdpnet.labels.label_set import LabelFormat, LabelSet, check_image_size
from cdpnet.labels.outlines import trace_outlines
from cdpnet.labels.regions import ImageLabels, Region, region_from_mask, region_from_outlines

_VERSION = "5.5.0"  # of LabelMe, whose layout is written
_CIRCLE_POINTS = 64
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


def read(content: dict[str, object], path: Path, image: Path) -> ImageLabels:
    """The shapes of the file of an image, one region for each. DataError where the content is not LabelMe's."""
    try:
        height, width = (as_whole(get(content, key), key) for key in ("imageHeight", "imageWidth"))
        size = run_lengths.check_size(height, width)
        shapes = [as_record(shape, "a shape") for shape in as_list(get(content, "shapes"), "shapes")]
        check_image_size(image, size, path)
        regions = [region for shape in shapes if (region := _read_shape(shape, size)) is not None]
        return ImageLabels(image.name, *size, tuple(regions))
    except FieldError as error:
        raise DataError(f"{path} is not a LabelMe file: {error}; export it again from its tool.") from None


def _read_shape(shape: dict[str, object], size: tuple[int, int]) -> Region | None:
    """The region of a shape; None for points and lines, which enclose no pixels."""
    label = as_name(get(shape, "label"), "a label")
    points = [as_point(point, f"a point of {label!r}") for point in as_list(get(shape, "points"), "points")]
    kind = shape.get("shape_type", "polygon")
    if kind == "polygon":
        return region_from_outlines([[x for point in points for x in point]], size, label)
    if kind not in ("rectangle", "circle", "mask"):
        return None
    if len(points) != 2:
        raise FieldError(f"the {kind} {label!r} has not two points")
    (x0, y0), (x1, y1) = points
    if kind == "rectangle":
        return region_from_outlines([[x0, y0, x1, y0, x1, y1, x0, y1]], size, label)
    if kind == "circle":
        return region_from_outlines([_circle(*points)], size, label)
    encoded = as_text(get(shape, "mask"), f"the mask of {label!r}")
    return region_from_mask(_paste(encoded, (int(x0), int(y0)), size, label), label)


def _circle(centre: Sequence[float], edge: Sequence[float]) -> list[float]:
    """The outline of a circle given by its centre and a point on its edge, as x1, y1, x2, y2, .."""
    (x, y), radius = centre, math.dist(centre, edge)
    angles = [2 * math.pi * i / _CIRCLE_POINTS for i in range(_CIRCLE_POINTS)]
    return [part for angle in angles for part in (x + radius * math.cos(angle), y + radius * math.sin(angle))]


def _paste(encoded: str, corner: tuple[int, int], size: tuple[int, int], label: str) -> NDArray[np.bool_]:
    """The mask (H, W) of a base64 image that covers a bounding box with its top left corner at x, y."""
    try:  # the size is checked before anything is decoded
        image = open_image(base64.b64decode(encoded), most_pixels=size[0] * size[1])
    except (DataError, ValueError):
        raise FieldError(f"the mask of {label!r} is not a PNG file in base64, or does not lie in the image") from None
    (left, top), (width, height) = corner, image.size
    if left < 0 or top < 0 or width > size[1] or height > size[0]:
        raise FieldError(f"the mask of {label!r} does not lie in the image")
    inside = np.array(image.convert("L")) > 0
    mask = np.zeros(size, dtype=np.bool_)
    box = mask[top : top + height, left : left + width]
    box[:] = inside[: box.shape[0], : box.shape[1]]
    return mask
