"""The regions of a Label Studio annotation: brushes, polygons, rectangles, ellipses and bitmasks, and their labels."""

from __future__ import annotations

import base64
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError, JsonObject, as_name, as_number, as_point
from cdpnet.io.images import open_image
from cdpnet.io.outlines import MIN_POINTS, TOO_SHORT
from cdpnet.labels.brush import decode_mask
from cdpnet.labels.rasterise import Patch, fill_ellipse
from cdpnet.labels.regions import Region, region_from_outlines

_UNLABELLED = ("brush", "polygon", "rectangle", "ellipse", "bitmask")  # kinds that get their label from another result
_SHAPE_KEYS = ("rle", "imageDataURL", "points", "x", "y", "width", "height", "radiusX", "radiusY", "rotation")
_LABELS = "labels"  # how the keys end that hold the labels of a region: labels, brushlabels, rectanglelabels, ..


@dataclass(frozen=True)
class TaskRegion:
    """A region that is not decoded yet. result: the object that has its shape; what: its name in messages."""

    labels: tuple[str, ...]
    result: JsonObject
    what: str

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the image that it was drawn on; None where the file does not state them."""
        if self.result.get("original_height") is None and self.result.get("original_width") is None:
            return None
        height, width = (self.result.whole(key) for key in ("original_height", "original_width"))
        return run_lengths.check_size(height, width)

    def decode(self, size: tuple[int, int], label: str) -> Region:
        """The region of an image of ``size``, H, W, under one of its labels. FieldError where it is broken.

        ``image_rotation`` says how the image was shown: values are those of the image as it is (tried with 1.23.2).
        """
        if self.size not in (None, size):
            raise FieldError(f"{self.what} is for an image of another size than the other regions of its task")
        try:
            value = self.result.nested("value")
            region = _DECODERS[_shape_of(value) or "points"](value, size, label)
            score = self.result.get("score")
            return region if score is None else Region(label, region.counts, as_number(score, "score"))
        except FieldError as error:
            raise FieldError(f"{self.what}: {error}") from None


def read_regions(results: list[JsonObject], what: str) -> tuple[list[TaskRegion], Counter[str]]:
    """The regions with labels of an annotation, and how many are left out, by the reason.

    Shape and labels of a region may be in one result or in two that have one id. what: the task in messages.
    """
    groups: dict[object, list[JsonObject]] = {}
    for number, result in enumerate(results):
        identifier = result.get("id")
        groups.setdefault(identifier if isinstance(identifier, str) else number, []).append(result)
    regions, left_out = [], Counter[str]()
    for number, group in enumerate(groups.values(), start=1):
        labels = tuple(dict.fromkeys(label for result in group for label in _read_labels(result)))
        shapes = [result for result in group if _shape_of(_value(result))]
        shaped = next(iter(shapes), None)
        points = _value(shaped).get("points") if shaped is not None else None
        if isinstance(points, list) and len(points) < MIN_POINTS:
            left_out[TOO_SHORT] += 1
        elif labels and shaped is not None:
            name = f"region {number} ({labels[0]!r}) of {what}"
            regions += [TaskRegion(labels, result, name) for result in _different(shapes)]
        elif labels:
            kind = group[0].get("type")
            left_out[f"regions {f'of kind {kind}' if isinstance(kind, str) else 'without a shape'} are left out"] += 1
        elif shaped is not None and str(shaped.get("type")).removesuffix(_LABELS) in _UNLABELLED:
            left_out["regions without a label are left out"] += 1
    return regions, left_out


def _value(result: JsonObject) -> JsonObject:
    """The value of a result; none has a relation between regions."""
    return result.nested("value") if "value" in result else JsonObject()


def _different(results: list[JsonObject]) -> list[JsonObject]:
    """Results of one id without those that repeat the shape of one before, as choices and ratings of a region do."""
    if len(results) == 1:
        return results
    shapes = {repr([_value(result).get(key) for key in _SHAPE_KEYS]): result for result in reversed(results)}
    return list(reversed(shapes.values()))


def _read_labels(result: JsonObject) -> list[str]:
    found = []
    for key, entries in _value(result).items():
        if key.endswith(_LABELS) and isinstance(entries, list):
            found += [as_name(entry, f"an entry of {key}") for entry in entries]
    return found


def _shape_of(value: JsonObject) -> str | None:
    """The key that only one kind of shape has; None for points, choices and texts."""
    return next((key for key in _DECODERS if key in value), None)


def _read_brush(value: JsonObject, size: tuple[int, int], label: str) -> Region:
    return Patch.around(decode_mask(value.entries("rle"), size)).region(size, label)


def _read_bitmask(value: JsonObject, size: tuple[int, int], label: str) -> Region:
    """An image as an address with its content: its opaque pixels, or where it has no alpha channel, those not black."""
    _, _, encoded = value.text("imageDataURL").partition("base64,")
    try:  # the size is checked before anything is decoded
        image = open_image(base64.b64decode(encoded), most_pixels=size[0] * size[1])
    except (DataError, ValueError):
        raise FieldError("imageDataURL is not a PNG file in base64 of the size of the image") from None
    if image.size != size[::-1]:
        raise FieldError(f"imageDataURL has {image.width} x {image.height} pixels for {size[1]} x {size[0]}")
    channel = image.getchannel("A") if "A" in image.getbands() else image.convert("L")
    return Patch.around(np.array(channel) > 0).region(size, label)


def _read_polygon(value: JsonObject, size: tuple[int, int], label: str) -> Region:
    points = [as_point(point, "an entry of points") for point in value.entries("points")]
    return _from_corners(np.array(points).reshape(-1, 2), size, label)


def _read_ellipse(value: JsonObject, size: tuple[int, int], label: str) -> Region:
    x, y, radius_x, radius_y = map(value.number, ("x", "y", "radiusX", "radiusY"))
    centre, radii = np.array([[x, y], [radius_x, radius_y]]) * size[::-1] / 100
    return fill_ellipse(centre.tolist(), radii.tolist(), _read_rotation(value), size).region(size, label)


def _read_rectangle(value: JsonObject, size: tuple[int, int], label: str) -> Region:
    """A rectangle is turned clockwise about its corner x, y."""
    x, y, width, height = map(value.number, ("x", "y", "width", "height"))
    corner, (w, h) = np.array([[x, y], [width, height]]) * size[::-1] / 100
    angle = math.radians(_read_rotation(value))
    along, down = w * np.array([math.cos(angle), math.sin(angle)]), h * np.array([-math.sin(angle), math.cos(angle)])
    corners = np.array([corner, corner + along, corner + along + down, corner + down])
    return _from_corners(corners * 100 / size[::-1], size, label)


def _from_corners(percent: NDArray[np.float64], size: tuple[int, int], label: str) -> Region:
    """What an outline (n, 2) in percent of width and height encloses: Label Studio exports it as COCO's."""
    return region_from_outlines([(percent * size[::-1] / 100).ravel().tolist()], size, label)


def _read_rotation(value: JsonObject) -> float:
    return as_number(value.get("rotation") or 0, "rotation")


_DECODERS = {  # by a key that values of one kind only have; keypoints have width, but no height
    "rle": _read_brush,
    "imageDataURL": _read_bitmask,
    "points": _read_polygon,
    "radiusX": _read_ellipse,
    "height": _read_rectangle,
}
