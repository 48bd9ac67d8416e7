"""Closed outlines of label files: checked, and cut off far outside the image before anything is drawn from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cdpnet.io.fields import FieldError

_MARGIN = (
    2**12
)  # pixels around the image that an outline keeps; cut edges lie there, where no rule of filling sees them
_FARTHEST = 1e12  # pixels; beyond, numbers are too coarse for the place where an edge enters the image
_LONGEST = 2**21  # pixels along an outline; filling takes up to 80 bytes for each
MIN_POINTS = 3
TOO_SHORT = "outlines of fewer than three points enclose nothing"


def as_outline(values: Sequence[object], what: str = "an outline") -> NDArray[np.float64]:
    """The points (n, 2), as x, y, of a list x1, y1, x2, y2, .. of JSON.

    what: the name of the outline in messages. FieldError for fewer than three points or a value that is no finite
    number.
    """
    if len(values) % 2:
        raise FieldError(f"{what} has {len(values)} numbers; a point has two, x and y")
    if len(values) < 2 * MIN_POINTS:
        raise FieldError(f"{what} has fewer than three points")
    try:
        if not {type(value) for value in values} <= {int, float}:
            raise TypeError
        points = np.array(values, np.float64).reshape(-1, 2)
    except (TypeError, OverflowError):
        raise FieldError(f"{what} has a value that is not a number") from None
    if not np.isfinite(points).all():
        raise FieldError(f"{what} has a point that is not finite")
    return points


def cut_far_parts(points: NDArray[np.float64], size: tuple[int, int], what: str = "an outline") -> NDArray[np.float64]:
    """An outline (n, 2), as x, y in pixels, without what lies far outside an image; inside it marks the same pixels.

    size: H, W. The result has no points where nothing is near the image. FieldError where it is still longer than any
    outline in an image is. The rule is that of Sutherland and Hodgman: one side of the frame after the other.
    """
    points = points.clip(-_FARTHEST, _FARTHEST)
    for axis in (0, 1):
        points = _cut(points, axis, -_MARGIN, above=True)
        points = _cut(points, axis, size[1 - axis] + _MARGIN, above=False)
    if len(points) and np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum() > _LONGEST:
        raise FieldError(f"{what} is longer than {_LONGEST:,} pixels")
    return points


def _cut(points: NDArray[np.float64], axis: int, bound: float, *, above: bool) -> NDArray[np.float64]:
    """The part of an outline on one side of a bound, closed along it."""
    beyond = points[:, axis] - bound if above else bound - points[:, axis]
    inside = beyond >= 0
    if inside.all():
        return points
    before, beyond_before = np.roll(points, 1, axis=0), np.roll(beyond, 1)
    crosses = inside != np.roll(inside, 1)
    share = np.divide(beyond_before, beyond_before - beyond, out=np.zeros_like(beyond), where=crosses)
    crossings = before + share[:, None] * (points - before)
    crossings[:, axis] = bound
    both = np.stack([crossings, points], axis=1).reshape(-1, 2)
    kept: NDArray[np.float64] = both[np.stack([crosses, inside], axis=1).ravel()]
    return kept
