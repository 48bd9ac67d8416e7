"""Read the JSON files of LabelMe and X-AnyLabeling; shapes are filled as these tools themselves fill them."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError, JsonObject, as_number, as_object, as_point, as_text
from cdpnet.io.images import open_image
from cdpnet.io.outlines import MIN_POINTS, TOO_SHORT
from cdpnet.labels.image_paths import key
from cdpnet.labels.label_set import BACKGROUND, check_image_size
from cdpnet.labels.rasterise import Patch, Points, fill_circle, fill_polygon, fill_rectangle, paste_mask
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.regions import MOST_SHAPES, ImageLabels, Region

_POLYGONS = ("polygon", "rotation", "oriented_rectangle", "quadrilateral")  # the last three have four points
_WITH_AREA = (*_POLYGONS, "rectangle", "circle", "mask")  # not line, linestrip, point, points
_MASK_MARGIN = 4  # times the pixels of its image that a mask may have; LabelMe's masks may overhang


def read(content: object, path: Path, image: Path) -> ImageLabels:
    """The shapes of the file of an image, one region for each; its notes count shapes that mark no area.

    DataError where the content is not LabelMe's, and where a shape is broken.
    """
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a label file of one image, as LabelMe writes it.")
    values = JsonObject(content)
    try:
        size = _read_size(values)
        entries = values.entries("shapes", most=MOST_SHAPES)
        shapes = [as_object(shape, f"shape {number}") for number, shape in enumerate(entries, start=1)]
        if size is None:
            opened = open_image(image)
            size = (opened.height, opened.width)
    except FieldError as error:
        raise DataError(f"{path} is not a LabelMe file: {error}; export it again from its tool.") from None
    check_image_size(image, size, path)
    try:
        regions = [_read_shape(shape, number, size) for number, shape in enumerate(shapes, start=1)]
        notes = (*_count_left_out(shapes), *_note_other_image(values.get("imagePath"), image))
    except FieldError as error:
        raise DataError(f"{path}: {error}; correct it in its tool.") from None
    return ImageLabels(image.name, *size, tuple(region for region in regions if region is not None), notes)


def _read_size(content: JsonObject) -> tuple[int, int] | None:
    """Height and width in pixels; None where a file, as those of old versions, does not state them."""
    if content.get("imageHeight") is None and content.get("imageWidth") is None:
        return None
    height, width = (content.whole(key) for key in ("imageHeight", "imageWidth"))
    return run_lengths.check_size(height, width)


def _count_left_out(shapes: list[JsonObject]) -> tuple[Note, ...]:
    """A note for each kind of shapes that are not read."""
    left_out = Counter(sentence for shape in shapes if (sentence := _why_no_area(shape)))
    return tuple(Note(sentence, count) for sentence, count in left_out.items())


def _why_no_area(shape: JsonObject) -> str:
    """Why a shape marks no area; empty where it may mark one."""
    kind = _kind(shape)
    if kind not in _WITH_AREA:
        return f"shapes of kind {kind} mark no area"
    return TOO_SHORT if kind == "polygon" and len(shape.entries("points")) < MIN_POINTS else ""


def _note_other_image(named: object, image: Path) -> tuple[Note, ...]:
    """A note on a file that says it is about an image of another name, as one that was renamed or mixed up."""
    if not isinstance(named, str) or not named:  # some tools leave it out
        return ()
    other = PureWindowsPath(named).stem  # with / or \, as both write it
    return (Note("files whose imagePath has another name than their image"),) if key(other) != key(image.stem) else ()


def _kind(shape: JsonObject) -> str:
    """The kind of a shape; old versions write none, null or an empty text for a polygon."""
    kind = shape.get("shape_type")
    return "polygon" if kind in (None, "") else as_text(kind, "the shape_type of a shape")


def _read_shape(shape: JsonObject, number: int, size: tuple[int, int]) -> Region | None:
    """The region of a shape; None for one that marks no area, and for background."""
    label = shape.name("label", f"the label of shape {number}")
    kind, what = _kind(shape), f"shape {number} ({label!r})"
    if label == BACKGROUND or _why_no_area(shape):
        return None
    points = [as_point(point, f"a point of {what}") for point in shape.entries("points", f"points of {what}")]
    score = shape.get("score")  # of X-AnyLabeling's models; others write none, or null
    try:
        confidence = 1.0 if score is None else as_number(score, "the score")
        return _fill(kind, np.array(points).reshape(-1, 2), shape, size).region(size, label, confidence)
    except FieldError as error:
        raise FieldError(f"{what}: {error}") from None


def _fill(kind: str, points: Points, shape: JsonObject, size: tuple[int, int]) -> Patch:
    n = len(points)
    if kind in _POLYGONS or (kind == "rectangle" and n == 4):  # as X-AnyLabeling writes it
        if n < 3:
            raise FieldError(f"a {kind} has at least three points, not {n}")
        return fill_polygon(points, size)
    if n != 2:
        raise FieldError(f"a {kind} has {'two or four' if kind == 'rectangle' else 'two'} points, not {n}")
    if kind == "rectangle":
        return fill_rectangle(points, size)
    if kind == "circle":
        return fill_circle(points[0].tolist(), points[1].tolist(), size)
    return paste_mask(_decode_mask(as_text(shape.get("mask"), "the mask"), size), points[0].tolist(), size)


def _decode_mask(encoded: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (h, w) of a base64 image, or of an address with one after its comma."""
    try:  # the size is checked before anything is decoded
        image = open_image(base64.b64decode(encoded.rpartition(",")[2]), most_pixels=_MASK_MARGIN * size[0] * size[1])
    except (DataError, ValueError):
        raise FieldError("the mask is not a PNG file in base64, or is far larger than the image") from None
    return np.array(image if image.mode in ("1", "L", "P") or image.mode.startswith("I") else image.convert("L")) > 0
