"""Shapes to masks, by the rules of the tools that draw them; each function takes memory for the shape's frame only.

Points are x, y in pixels, (n, 2); sizes are H, W of the image. What lies outside the image is left out. COCO's rule is
in `io.run_lengths`. A FieldError says where an outline is longer than any in an image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError
from cdpnet.io.outlines import cut_far_parts
from cdpnet.labels.regions import Region

_LARGEST_CIRCLE = 2**14  # pixels of a radius that Pillow draws; it walks along the whole circle
_SMALLEST, _FARTHEST = 1e-9, 1e12  # pixels, of an ellipse: no number overflows
_MOST_STEPS = 2**29  # of Pillow's filling, points times rows: two seconds

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Patch:
    """A mask (h, w) whose top left pixel lies at column ``left`` and row ``top`` of an image; it lies in the image."""

    mask: NDArray[np.bool_]
    left: int
    top: int

    @classmethod
    def around(cls, mask: NDArray[np.bool_]) -> Patch:
        """The part of a mask of a whole image (H, W) that is marked."""
        rows = np.flatnonzero(mask.any(axis=1))
        if not rows.size:
            return cls(np.zeros((0, 0), np.bool_), 0, 0)
        band = mask[rows[0] : rows[-1] + 1]
        columns = np.flatnonzero(band.any(axis=0))
        return cls(band[:, columns[0] : columns[-1] + 1], int(columns[0]), int(rows[0]))

    def region(self, size: tuple[int, int], label: str, score: float = 1.0) -> Region:
        """The region of an image of ``size``; as quick as the patch is small."""
        columns = np.pad(self.mask, ((1, 1), (0, 0))).T.astype(np.int8)
        steps = np.diff(columns, axis=1)
        first, last = ((self.left + column) * size[0] + self.top + row for column, row in _places(steps))
        joined = last[:-1] == first[1:]  # a run that goes on in the next column
        runs = np.stack([first[np.append(True, ~joined)[: first.size]], last[np.append(~joined, True)[: last.size]]], 1)
        counts = np.diff(runs.ravel(), prepend=0, append=size[0] * size[1]).tolist()
        encoded = run_lengths.encode_counts(counts if counts[-1] else counts[:-1], size)
        return Region(label, encoded["counts"].decode(), score)


def _places(steps: NDArray[np.int8]) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]:
    """Where runs begin and where they have ended, each as columns and rows, in the order of columns."""
    begin_column, begin_row = np.nonzero(steps > 0)
    end_column, end_row = np.nonzero(steps < 0)
    return (begin_column, begin_row), (end_column, end_row)


def _frame(points: NDArray[np.int64], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The bounding box of points in an image: left, top, width, height; the sides are 0 where nothing lies in it."""
    if not len(points):
        return 0, 0, 0, 0
    low = points.min(axis=0).clip(0)
    high = np.minimum(points.max(axis=0), (size[1] - 1, size[0] - 1))
    width, height = (high - low + 1).clip(0).tolist()
    return (int(low[0]), int(low[1]), width, height) if width and height else (0, 0, 0, 0)


def _vertices(points: Points, size: tuple[int, int]) -> NDArray[np.int64]:
    """An outline in whole pixels, cut off towards 0, as Pillow and OpenCV's callers do."""
    return np.trunc(cut_far_parts(points, size)).astype(np.int64)


def fill_polygon(points: Points, size: tuple[int, int]) -> Patch:
    """A polygon as LabelMe and X-AnyLabeling fill it: with Pillow, even-odd, borders included."""
    vertices = _vertices(points, size)
    left, top, width, height = _frame(vertices, size)
    if len(vertices) * height > _MOST_STEPS:
        raise FieldError(f"an outline has {len(vertices):,} points over {height:,} rows, which is more than is drawn")
    return _draw("polygon", vertices, (left, top, width, height))


def fill_rectangle(corners: Points, size: tuple[int, int]) -> Patch:
    """A rectangle of two opposite corners, both of them included, as LabelMe fills it."""
    bound = max(size) + 1.0
    vertices = np.trunc(corners.clip(-bound, bound)).astype(np.int64)
    left, top, width, height = _frame(vertices, size)
    return Patch(np.ones((height, width), np.bool_), left, top)


def fill_circle(centre: Sequence[float], edge: Sequence[float], size: tuple[int, int]) -> Patch:
    """A circle given by its centre and a point on it, as LabelMe fills it: with Pillow; far larger ones as ellipses."""
    radius = math.dist(centre, edge)
    if max(radius, abs(centre[0]), abs(centre[1])) > _LARGEST_CIRCLE:
        return fill_ellipse(centre, (radius, radius), 0, size)
    middle = np.array(centre)
    box = np.trunc([middle - radius, middle + radius]).astype(np.int64)
    return _draw("ellipse", box, _frame(box, size))


def fill_ellipse(centre: Sequence[float], radii: Sequence[float], degrees: float, size: tuple[int, int]) -> Patch:
    """The pixels whose centres lie in an ellipse, turned clockwise about its centre (our rule)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b = np.clip(radii, _SMALLEST, _FARTHEST).tolist()
    middle, bound = np.clip(centre, -_FARTHEST, _FARTHEST), 4.0 * max(size)
    reach = np.array([math.hypot(a * cos, b * sin), math.hypot(a * sin, b * cos)])
    corners = np.floor(np.array([middle - reach, middle + reach]).clip(-bound, bound)).astype(np.int64)
    left, top, width, height = _frame(corners, size)
    x = left + np.arange(width) + 0.5 - middle[0]
    y = (top + np.arange(height) + 0.5 - middle[1])[:, None]
    return Patch(((x * cos + y * sin) / a) ** 2 + ((y * cos - x * sin) / b) ** 2 <= 1, left, top)


def paste_mask(mask: NDArray[np.bool_], corner: Sequence[float], size: tuple[int, int]) -> Patch:
    """The part in the image of a mask (h, w) whose top left pixel is at ``corner``, x and y."""
    left, top = (
        int(min(max(at, -side), end)) for at, side, end in zip(corner, mask.shape[::-1], size[::-1], strict=True)
    )
    seen = mask[max(-top, 0) : size[0] - top, max(-left, 0) : size[1] - left]
    return Patch(seen, max(left, 0), max(top, 0))


def _draw(kind: Literal["polygon", "ellipse"], points: NDArray[np.int64], frame: tuple[int, int, int, int]) -> Patch:
    """What Pillow draws in a frame."""
    left, top, width, height = frame
    image = Image.new("L", (width, height))
    if width:
        pairs = [(x, y) for x, y in (points - (left, top)).tolist()]
        draw = ImageDraw.Draw(image)
        (draw.polygon if kind == "polygon" else draw.ellipse)(pairs, fill=1, outline=1)
    return Patch(np.array(image, np.bool_).reshape(height, width), left, top)


def fill_with_border(points: Points, size: tuple[int, int]) -> Patch:
    """A polygon as YOLO's readers fill it: as OpenCV's fillPoly does, even-odd at pixel centres, and the border drawn.

    Equal to OpenCV to the pixel for a polygon in the image; of a line that leaves it, single pixels may differ.
    """
    vertices = _vertices(points, size)
    left, top, width, height = _frame(vertices, size)
    if not width:
        return Patch(np.zeros((0, 0), np.bool_), 0, 0)
    start = vertices - (left, top)
    end = np.roll(start, -1, axis=0)
    mask = _inside(start, end, (height, width))
    x, y = _lines(start, end)
    seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    mask[y[seen], x[seen]] = True
    return Patch(mask, left, top)


def _inside(start: NDArray[np.int64], end: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels (h, w) whose centres lie in an outline, or on it, by the even-odd rule; edges as points from, to."""
    height, width = size
    down = (start[:, 1] <= end[:, 1])[:, None]
    upper, lower = np.where(down, start, end), np.where(down, end, start)
    edge, row = _steps((lower - upper)[:, 1])
    (across, rows), at = (lower - upper)[edge].T, upper[edge]
    y, numerator = at[:, 1] + row, at[:, 0] * rows + row * across  # an edge is at numerator / rows in row y
    order = np.lexsort((numerator / rows, y))
    y, numerator, rows = y[order], numerator[order], rows[order]
    first = -(-numerator[::2] // rows[::2])
    after = numerator[1::2] // rows[1::2] + 1
    seen = (y[::2] >= 0) & (y[::2] < height) & (first < width) & (after > 0) & (first < after)
    line = y[::2][seen] * (width + 1)
    cells = height * (width + 1)
    begins = np.bincount(line + first[seen].clip(0, width), minlength=cells)
    ends = np.bincount(line + after[seen].clip(0, width), minlength=cells)
    found: NDArray[np.bool_] = (begins - ends).reshape(height, width + 1).cumsum(axis=1)[:, :width] > 0
    return found


def _lines(start: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pixels x, y of lines by Bresenham's rule, from left to right; half-way between two, the one before."""
    swapped = (end[:, 0] < start[:, 0])[:, None]
    start, end = np.where(swapped, end, start), np.where(swapped, start, end)
    dx, dy = (end - start).T
    long, short = np.maximum(dx, abs(dy)), np.minimum(dx, abs(dy))
    line, step = _steps(long + 1)
    aside = -((long[line] - 2 * short[line] * step) // (2 * long[line]).clip(1))
    steep = (abs(dy) > dx)[line]
    x = start[line, 0] + np.where(steep, aside, step)
    y = start[line, 1] + np.sign(dy)[line] * np.where(steep, step, aside)
    return x, y


def _steps(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For lengths (n,) the index of each repeated as often, and 0, 1, .. within each."""
    index = np.repeat(np.arange(len(lengths)), lengths)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
