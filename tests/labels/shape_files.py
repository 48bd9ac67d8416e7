"""Label files of other tools, as these write them, about an image of 60 x 50 pixels: makers for the tables of tests."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = HEIGHT, WIDTH = 50, 60
SQUARE = [[10, 10], [29, 10], [29, 19], [10, 19]]  # with its border 20 x 10 pixels
DIAMOND = [[20, 5], [30, 15], [20, 25], [10, 15]]  # with its border 1 + 3 + .. + 21 + .. + 3 + 1 pixels
Record = dict[str, object]


def write(folder: Path, name: str, content: str | bytes) -> tuple[Path, Path]:
    """Write an image and a label file; their paths."""
    Image.new("RGB", (WIDTH, HEIGHT), "grey").save(folder / "a.png")
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "a.png", path


def shape(points: object, kind: object = "polygon", label: object = "cat", **more: object) -> Record:
    """A shape of LabelMe."""
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def mask_shape(left: float, top: float, side: int = 10) -> Record:
    """A full square mask of LabelMe with its top left corner at a point."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side), 255, np.uint8)).save(buffer, "PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return shape([[left, top], [left + side - 1, top + side - 1]], "mask", mask=encoded)


def labelme(*shapes: Record, **more: object) -> str:
    """A file of LabelMe."""
    content: Record = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": "a.png", "imageData": None}
    return json.dumps(content | {"imageHeight": HEIGHT, "imageWidth": WIDTH} | more)


def line(*values: float, number: str = "0", more: str = "") -> str:
    """A line of YOLO: a class number and pixels x, y in turn, written as shares."""
    shares = [f"{value / (WIDTH, HEIGHT)[i % 2]:.6f}" for i, value in enumerate(values)]
    return " ".join([number, *shares]) + more + "\n"
