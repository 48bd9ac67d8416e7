"""LabelMe's JSON, one file for each image: a polygon for each connected part of a class."""

from __future__ import annotations

import base64
import binascii
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io.files import write_json
from cdpnet.labels.label_set import LabelSet
from cdpnet.labels.regions import ImageLabels, Region, from_mask, from_outlines, outlines

_VERSION = "5.5.0"  # of the layout that is written
_CIRCLE_POINTS = 64


def file_of(image: str) -> str:
    """The file of an image's labels, below the folder of labels."""
    return str(Path(image).with_suffix(".json"))


def write(found: ImageLabels, target: LabelSet) -> None:
    """Write the file of one image; it points to the image and holds no copy of it."""
    path = target.out / file_of(found.image)
    image = os.path.relpath(target.images / found.image, path.parent)
    content: dict[str, Any] = {
        "version": _VERSION,
        "flags": {},
        "shapes": [
            {
                "label": region.label,
                "points": outline.tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for region in found.regions
            for outline in outlines(found.mask(region))
        ],
        "imagePath": Path(image).as_posix(),
        "imageData": None,
        "imageHeight": found.height,
        "imageWidth": found.width,
    }
    write_json(content, path)


def read(content: dict[str, Any], path: Path) -> ImageLabels:
    """The shapes of a file, one region for each. DataError where it cannot be understood."""
    try:
        size = (int(content["imageHeight"]), int(content["imageWidth"]))
        regions = [region for shape in content["shapes"] if (region := _region(shape, size)) is not None]
        return ImageLabels(str(content["imagePath"]), *size, tuple(regions))
    except (KeyError, TypeError, ValueError, IndexError, OSError, binascii.Error) as error:
        raise DataError(f"{path} is not a file of LabelMe ({error!r} is missing or of another kind).") from None


def _region(shape: dict[str, Any], size: tuple[int, int]) -> Region | None:
    """The region of a shape; None for points and lines, which enclose nothing."""
    label, points = str(shape["label"]), shape["points"]
    kind = shape.get("shape_type", "polygon")
    if kind == "polygon":
        return from_outlines([[x for point in points for x in point]], size, label)
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        return from_outlines([[x0, y0, x1, y0, x1, y1, x0, y1]], size, label)
    if kind == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        turns = [2 * math.pi * i / _CIRCLE_POINTS for i in range(_CIRCLE_POINTS)]
        ring = [part for turn in turns for part in (x + radius * math.cos(turn), y + radius * math.sin(turn))]
        return from_outlines([ring], size, label)
    return from_mask(_pasted(shape, size), label) if kind == "mask" else None


def _pasted(shape: dict[str, Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A shape that is an image of its bounding box, at its place in a mask (H, W)."""
    (x0, y0), _ = shape["points"]
    with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as image:
        inside = np.array(image.convert("L")) > 0
    mask = np.zeros(size, dtype=bool)
    top, left = int(y0), int(x0)
    room = mask[top : top + inside.shape[0], left : left + inside.shape[1]]
    room[:] = inside[: room.shape[0], : room.shape[1]]
    return mask
