"""Read YOLO's text files: outlines, boxes and oriented boxes, as shares of the image's width and height."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError
from cdpnet.io.files import read_text
from cdpnet.labels.label_set import BACKGROUND
from cdpnet.labels.rasterise import fill_with_border
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.regions import MOST_SHAPES, ImageLabels, Region, region_from_outlines
from cdpnet.labels.yolo_names import DataSet, read_data_near

_BOX, _MIN_OUTLINE = 4, 6  # numbers of a box (centre, width, height) and of the shortest outline
_FARTHEST = 2.0  # a number beyond is no share: what is marked lies in the image, or a little outside
_MOST_BYTES = 2**22  # a thousand outlines of a hundred points have half of that
_ROUNDING = 0.002  # pixels; half of the sixth decimal in 4000. What lies between pixels is cut off, and 12.999 is 13
_MOST_SHOWN = 20  # characters of a field in an error message


def read(path: Path, size: tuple[int, int], image: str, data: DataSet | None = None) -> ImageLabels:
    """The regions of a file; its notes count boxes. size: H, W of the image. data: by default the one near the file.

    Outlines are filled as YOLO's trainers fill them. DataError for a line that is neither an outline nor a box, and for
    pixels in place of shares.
    """
    data, regions, boxes = data or read_data_near(path), [], 0
    lines = read_text(path, "a file of YOLO's labels", _MOST_BYTES).splitlines()
    if len(lines) > MOST_SHAPES:
        raise DataError(f"{path} has {len(lines):,} lines, and at most {MOST_SHAPES:,} objects of an image are read.")
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            label = data.class_name(_read_class(fields[0]))
            values, score = _split([_read_number(field) for field in fields[1:]], data)
            _check_shares(values, size)
            region = _fill(values, size, label, score)
        except FieldError as error:
            raise DataError(f"Line {number} of {path}: {error}.") from None
        boxes += len(values) == _BOX
        if label != BACKGROUND:
            regions.append(region)
    notes = (Note("boxes mark every pixel inside; outlines are exact", boxes),) if boxes else ()
    return ImageLabels(image, *size, tuple(regions), notes)


def _read_number(field: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FieldError(
            f"{field[:_MOST_SHOWN]} is not a finite number; a line is a class number followed by shares of the image"
        )
    return value


def _read_class(field: str) -> int:
    """A class number, also where it is written as 3.0."""
    number = _read_number(field)
    if not number.is_integer() or not 0 <= number < 2**31:
        raise FieldError(f"{field[:_MOST_SHOWN]} is not a class number, which is a whole number from 0 on")
    return int(number)


def _split(values: list[float], data: DataSet) -> tuple[list[float], float]:
    """The numbers of an outline or a box, and the confidence, by default 1.

    An odd count ends with a confidence, as trainers write their predictions. The keypoints after a box are left out.
    """
    if data.n_keypoint_values and len(values) - _BOX - data.n_keypoint_values in (0, 1):
        values = values[:_BOX]
    if len(values) < _BOX:
        raise FieldError(
            f"it has {len(values) + 1} numbers; a box has five, an outline a class number and at least three points x y"
        )
    if len(values) % 2 == 0:
        return values, 1.0
    *values, score = values
    if not 0 <= score <= 1:
        raise FieldError(
            f"it has {len(values) + 2} numbers; after the class, points x y and at most a confidence of 0 to 1 are "
            f"expected, and the last is {score:g}"
        )
    return values, score


def _check_shares(values: list[float], size: tuple[int, int]) -> None:
    farthest = max(values, key=abs)
    if abs(farthest) > _FARTHEST:
        raise FieldError(
            f"{farthest:g} is not a share of the image, which is 0 to 1; if it is in pixels, divide x by the width, "
            f"{size[1]}, and y by the height, {size[0]}"
        )


def _fill(values: list[float], size: tuple[int, int], label: str, score: float) -> Region:
    points = np.array(values).reshape(-1, 2) * (size[1], size[0])
    if len(values) == _BOX:
        centre, sides = points
        if (sides < 0).any():
            raise FieldError("the width or height of its box is negative")
        (left, top), (right, bottom) = (centre - sides / 2).tolist(), (centre + sides / 2).tolist()
        return region_from_outlines([[left, top, right, top, right, bottom, left, bottom]], size, label, score)
    return fill_with_border(np.floor(points + _ROUNDING), size).region(size, label, score)
