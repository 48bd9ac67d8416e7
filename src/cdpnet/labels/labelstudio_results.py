"""Regions as the results of Label Studio's predictions: brushes, polygons or rectangles, as a control draws them."""

from __future__ import annotations

from typing import TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from cdpnet.labels.brush import encode_mask
from cdpnet.labels.instances import InstanceRules, split_instances
from cdpnet.labels.label_set import Control
from cdpnet.labels.labelstudio_config import ShapeKind
from cdpnet.labels.outlines import trace_outlines
from cdpnet.labels.regions import ImageLabels, Region

_PARTS = 2  # of a pixel in a row, so that an outline through their centres runs inside the edges of pixels


class BrushValue(TypedDict):
    """A mask as encoded run lengths, and its label."""

    format: str
    rle: list[int]
    brushlabels: list[str]


class PolygonValue(TypedDict):
    """An outline, x and y of each point in percent of width and height, and its label."""

    points: list[list[float]]
    closed: bool
    polygonlabels: list[str]


class RectangleValue(TypedDict):
    """A box in percent of width and height, and its label."""

    x: float
    y: float
    width: float
    height: float
    rotation: float
    rectanglelabels: list[str]


Value: TypeAlias = BrushValue | PolygonValue | RectangleValue


class Result(TypedDict):
    """One region of a prediction; sizes are in pixels."""

    id: str
    type: str
    from_name: str
    to_name: str
    original_width: int
    original_height: int
    image_rotation: int
    score: float
    value: Value


def results(labels: ImageLabels, control: Control, kind: ShapeKind = "brush", name: str = "region") -> list[Result]:
    """The results of all regions: a brush for each, or a polygon or rectangle for each of its connected parts.

    Polygons that are filled by COCO's rule give the masks again, holes included. name: how the ids of results begin.
    """
    if kind != "brush":
        labels = split_instances(labels, InstanceRules(min_area=1))
    pairs = [(region, value) for region in labels.regions for value in _values(labels, region, kind)]
    return [
        {
            "id": f"{name}-{number}",
            "type": f"{kind}labels",
            "from_name": control.from_name,
            "to_name": control.to_name,
            "original_width": labels.width,
            "original_height": labels.height,
            "image_rotation": 0,
            "score": region.score,
            "value": value,
        }
        for number, (region, value) in enumerate(pairs, start=1)
    ]


def lowest_score(labels: ImageLabels) -> float:
    """The score of a prediction: the lowest of its regions, 0 without any."""
    return min((region.score for region in labels.regions), default=0.0)


def _values(labels: ImageLabels, region: Region, kind: ShapeKind) -> list[Value]:
    if kind == "brush":
        return [{"format": "rle", "rle": encode_mask(labels.mask(region)), "brushlabels": [region.label]}]
    if kind == "polygon":
        return [
            {"points": points, "closed": True, "polygonlabels": [region.label]}
            for points in _outlines(labels.mask(region))
        ]
    return [_rectangle(labels, region)]


def _outlines(mask: NDArray[np.uint8]) -> list[list[list[float]]]:
    """The outlines of a mask (H, W), each x, y of its points in percent."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    part = mask[top : rows[-1] + 1, left : columns[-1] + 1].repeat(_PARTS, axis=0).repeat(_PARTS, axis=1)
    to_percent = 100 / np.array(mask.shape[::-1])
    return [(((line + 0.5) / _PARTS + (left, top)) * to_percent).tolist() for line in trace_outlines(part)]


def _rectangle(labels: ImageLabels, region: Region) -> RectangleValue:
    left, top, width, height = labels.bounding_box(region)
    return {
        "x": left * 100 / labels.width,
        "y": top * 100 / labels.height,
        "width": width * 100 / labels.width,
        "height": height * 100 / labels.height,
        "rotation": 0,
        "rectanglelabels": [region.label],
    }
