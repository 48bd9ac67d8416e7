"""Outlines of a mask as labelling tools draw them: closed lines through the centres of pixels, which they include."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import cast

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

Pixel = tuple[int, int]

# Between 0 and the mean of two marked and two unmarked pixels, so that pixels that touch at a corner are one part.
_LEVEL = 0.25
_MIN_POINTS = 3  # of an outline in every format


def trace_outlines(mask: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
    """An outline of every connected part of a mask (H, W), each (n, 2) as x, y: the column and the row of a pixel.

    Filled by the even-odd rule with the line itself included, as LabelMe (Pillow's ``polygon``) and trainers of YOLO
    (OpenCV's ``fillPoly``) do, an outline gives its part again, exactly: holes are kept, since the line goes to each
    hole and returns over marked pixels. Parts are connected at sides and corners. n >= 3: the line around one pixel
    repeats it.
    """
    generator = contour_generator(z=np.pad(mask.astype(np.float64), 1), fill_type=FillType.OuterOffset)
    parts, offsets = cast(
        "tuple[list[NDArray[np.float64]], list[NDArray[np.uint32]]]", generator.filled(_LEVEL, np.inf)
    )
    outlines = []
    for points, starts in zip(parts, offsets, strict=True):
        # The padding shifts points by a pixel; the last point of a ring repeats the first.
        rings = [_to_pixels(points[first : last - 1] - 1, mask) for first, last in pairwise(starts.tolist())]
        line = _without_straight_points(np.array(_join_holes(rings, mask)))
        outlines.append(np.pad(line, ((0, max(0, _MIN_POINTS - len(line))), (0, 0)), mode="edge"))
    return outlines


def _to_pixels(points: NDArray[np.float64], mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The marked pixels (m, 2) beside the points (n, 2) of a contour.

    Each point lies between a marked and an unmarked pixel of a row or column.
    """
    before, after = np.floor(points).astype(np.int64), np.ceil(points).astype(np.int64)
    inside = before.clip(0)
    is_marked = (before >= 0).all(axis=1) & (mask[inside[:, 1], inside[:, 0]] > 0)
    return _without_repetitions(np.where(is_marked[:, None], before, after))


def _without_repetitions(ring: NDArray[np.int64]) -> NDArray[np.int64]:
    """A closed line (n, 2) without points that equal the one before; one point of a line that has but one."""
    is_new = np.any(ring != np.roll(ring, 1, axis=0), axis=1)
    return ring[is_new] if is_new.any() else ring[:1]


def _join_holes(rings: list[NDArray[np.int64]], mask: NDArray[np.uint8]) -> list[Pixel]:
    """The pixels around a part and around its holes as one closed line.

    From the leftmost pixel around a hole, the line goes left over marked pixels up to an unmarked one. That belongs to
    the background or to a hole further left, whose line passes there, so all holes are reached.
    """
    holes: defaultdict[Pixel, list[list[Pixel]]] = defaultdict(list)  # by the pixel that the line comes from
    for ring in rings[1:]:
        pixels = _pixels(np.roll(ring, -int(ring[:, 0].argmin()), axis=0))
        x, y = pixels[0]
        unmarked = np.flatnonzero(mask[y, :x] == 0)
        holes[int(unmarked[-1]) + 1 if unmarked.size else 0, y].append(pixels)
    line: list[Pixel] = []
    ahead = _pixels(rings[0])[::-1]
    while ahead:
        pixel = ahead.pop()
        line.append(pixel)
        for hole in holes.pop(pixel, ()):
            ahead += [pixel, hole[0], *reversed(hole)]
    return line


def _pixels(ring: NDArray[np.int64]) -> list[Pixel]:
    return [(x, y) for x, y in ring.tolist()]


def _without_straight_points(line: NDArray[np.int64]) -> NDArray[np.int64]:
    """A closed line (n, 2) with the points only where it turns; its steps run along rows, columns or diagonals."""
    line = _without_repetitions(line)
    ahead = np.sign(np.roll(line, -1, axis=0) - line)
    turns = np.any(ahead != np.roll(ahead, 1, axis=0), axis=1)
    return line[turns] if turns.any() else line
