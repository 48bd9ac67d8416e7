"""How labelling tools fill a closed line, in plain words and loops; shares nothing with the package."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def fill_by_trainers(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What OpenCV's fillPoly draws, (H, W), from whole x, y (n, 2): the line itself and what it encloses, even-odd."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    ys, xs = np.mgrid[top : bottom + 1, left : right + 1]
    on_line, is_inside = np.zeros(ys.shape, bool), np.zeros(ys.shape, bool)
    for (x0, y0), (x1, y1) in zip(points.tolist(), np.roll(points, -1, axis=0).tolist(), strict=True):
        assert x0 == x1 or y0 == y1 or abs(x0 - x1) == abs(y0 - y1), "a line that is drawn in one way only"
        is_straight = (x1 - x0) * (ys - y0) == (y1 - y0) * (xs - x0)
        in_box = (xs >= min(x0, x1)) & (xs <= max(x0, x1)) & (ys >= min(y0, y1)) & (ys <= max(y0, y1))
        on_line |= is_straight & in_box
        if y0 != y1:
            crosses = (ys >= min(y0, y1)) & (ys < max(y0, y1))
            is_inside ^= crosses & (x0 + (ys - y0) * (x1 - x0) / (y1 - y0) > xs)
    filled = np.zeros(size, bool)
    filled[top : bottom + 1, left : right + 1] = on_line | is_inside
    return filled


def fill_by_labelme(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What LabelMe shows for a polygon (n, 2) of x, y, as (H, W): it is filled and outlined by Pillow."""
    image = Image.new("1", size[::-1])
    ImageDraw.Draw(image).polygon([(x, y) for x, y in points.tolist()], outline=1, fill=1)
    return np.array(image)
