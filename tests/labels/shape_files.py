"""Label files of other tools, as these write them, about an image of 60 x 50 pixels: makers for the tables of tests."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from cdpnet.labels.brush import encode_mask

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


def result(value: Record, kind: str, **more: object) -> Record:
    """A result of Label Studio."""
    sides = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return (
        {"id": f"{kind}-{value}", "type": kind, "from_name": "label", "to_name": "image", "value": value} | sides | more
    )


def rectangle(left: float, top: float, width: float, height: float, *labels: str, turned: float = 0) -> Record:
    """A rectangle of Label Studio, in pixels; turned clockwise about its first corner."""
    box = {"x": left / WIDTH * 100, "y": top / HEIGHT * 100, "rotation": turned}
    box |= {"width": width / WIDTH * 100, "height": height / HEIGHT * 100}
    return result({**box, "rectanglelabels": labels or ["cat"]}, "rectanglelabels")


def polygon(points: list[list[int]], *labels: str) -> Record:
    """A polygon of Label Studio, in pixels."""
    percent = [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in points]
    return result({"points": percent, "closed": True, "polygonlabels": labels or ["cat"]}, "polygonlabels")


def ellipse(x: float, y: float, radius_x: float, radius_y: float, turned: float = 0) -> Record:
    """An ellipse of Label Studio, in pixels."""
    centre = {"x": x / WIDTH * 100, "y": y / HEIGHT * 100, "rotation": turned}
    radii = {"radiusX": radius_x / WIDTH * 100, "radiusY": radius_y / HEIGHT * 100}
    return result({**centre, **radii, "ellipselabels": ["cat"]}, "ellipselabels")


def brush(top: int, bottom: int) -> Record:
    """A brush of Label Studio over whole rows."""
    mask = np.zeros(SIZE, np.uint8)
    mask[top:bottom] = 1
    return result({"format": "rle", "rle": encode_mask(mask), "brushlabels": ["cat"]}, "brushlabels")


def annotation(*results: Record, by: object = 1, at: str = "2024-05-01T10:00:00.000000Z", **more: object) -> Record:
    """An annotation of Label Studio."""
    return {"id": 1, "completed_by": by, "result": list(results), "updated_at": at, "was_cancelled": False} | more


def task(*annotations: object, **more: object) -> Record:
    """A task of Label Studio."""
    return {"id": 7, "data": {"image": "/data/upload/1/ab12cd34-a.png"}, "annotations": list(annotations)} | more
