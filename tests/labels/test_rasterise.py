"""Shapes are filled by their tools' rules: against naive loops, Pillow on the whole image, and OpenCV if installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from cdpnet.io.fields import FieldError
from cdpnet.labels.rasterise import Patch, fill_circle, fill_ellipse, fill_polygon, fill_with_border
from cdpnet.labels.regions import region_from_mask

SIZE = (14, 17)
Corners = list[tuple[int, int]]
OUTLINES = st.lists(st.tuples(st.integers(0, SIZE[1] - 1), st.integers(0, SIZE[0] - 1)), min_size=3, max_size=9)


def whole(patch: Patch) -> np.ndarray:
    """The patch as a mask (H, W); the region made of it must be the same."""
    mask = np.zeros(SIZE, bool)
    height, width = patch.mask.shape
    mask[patch.top : patch.top + height, patch.left : patch.left + width] = patch.mask
    assert patch.region(SIZE, "cat", 0.5) == region_from_mask(mask, "cat", 0.5)
    assert Patch.around(mask).region(SIZE, "cat", 0.5) == region_from_mask(mask, "cat", 0.5)
    return mask


def naive(corners: Corners) -> np.ndarray:
    """OpenCV's fillPoly: the line around, and every pixel with an odd number of edges to its left."""
    mask = np.zeros(SIZE, bool)
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            left = 0
            for (x0, y0), (x1, y1) in edges:
                crosses = min(y0, y1) <= row < max(y0, y1)
                left += crosses and x0 + (row - y0) * (x1 - x0) / (y1 - y0) < column - 1e-9
            mask[row, column] = left % 2
    for start, end in edges:
        for x, y in naive_line(start, end):
            mask[y, x] = True
    return mask


def naive_line(start: tuple[int, int], end: tuple[int, int]) -> Corners:
    """Bresenham's line with a running error, from left to right."""
    (x, y), (x1, y1) = sorted([start, end], key=lambda point: point[0])
    long, short, down = abs(x1 - x), abs(y1 - y), 1 if y1 > y else -1
    steep = short > long
    long, short = max(long, short), min(long, short)
    error, found = long - 2 * short, [(x, y)]
    for _ in range(long):
        aside = error < 0
        error += 2 * long * aside - 2 * short
        x, y = x + (aside or not steep), y + down * (aside or steep)
        found.append((x, y))
    return found


@settings(max_examples=150, deadline=None)
@given(OUTLINES)
def test_an_outline_is_filled_as_opencv_does(corners: Corners) -> None:
    assert np.array_equal(whole(fill_with_border(np.array(corners, float), SIZE)), naive(corners))


def test_opencv_agrees() -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for n in (3, 4, 6, 12, 30) * 40:
        corners = rng.integers(0, SIZE[::-1], (n, 2))
        expected = np.zeros(SIZE, np.uint8)
        cv2.fillPoly(expected, [corners.astype(np.int32)], 1)
        assert np.array_equal(whole(fill_with_border(corners.astype(float), SIZE)), expected > 0)


@settings(max_examples=150, deadline=None)
@given(OUTLINES)
def test_a_polygon_is_filled_as_labelme_does(corners: Corners) -> None:
    """Pillow's arithmetic has 32 bits, so a pixel may differ where the origin of the frame is another one."""
    image = Image.new("L", SIZE[::-1])
    ImageDraw.Draw(image).polygon(corners, fill=1, outline=1)
    assert (whole(fill_polygon(np.array(corners, float), SIZE)) != np.array(image, bool)).sum() <= 1


@pytest.mark.parametrize("radius", [0.5, 1, 3.2, 6, 40])
def test_a_circle_is_filled_as_labelme_does(radius: float) -> None:
    image = Image.new("L", SIZE[::-1])
    ImageDraw.Draw(image).ellipse((8 - radius, 7 - radius, 8 + radius, 7 + radius), fill=1, outline=1)
    assert np.array_equal(whole(fill_circle((8, 7), (8 + radius, 7), SIZE)), np.array(image, bool))


@pytest.mark.parametrize(("radii", "degrees"), [((6, 2), 0), ((6, 2), 30), ((2, 6), 120), ((30, 1), 45), ((0, 0), 0)])
def test_an_ellipse_has_the_pixels_whose_centres_lie_in_it(radii: tuple[float, float], degrees: float) -> None:
    expected = np.zeros(SIZE, bool)
    angle = np.deg2rad(degrees)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            x, y = column + 0.5 - 8, row + 0.5 - 7
            along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            expected[row, column] = all(radii) and (along / radii[0]) ** 2 + (across / radii[1]) ** 2 <= 1
    assert np.array_equal(whole(fill_ellipse((8, 7), radii, degrees, SIZE)), expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 14), st.integers(0, 10))
def test_a_patch_anywhere_is_the_region_of_its_mask(pixels: list[bool], left: int, top: int) -> None:
    whole(Patch(np.array(pixels).reshape(4, 3), left, top))
    whole(Patch(np.ones((14, 3), bool), left, 0))


def test_an_outline_that_takes_minutes_is_refused() -> None:
    zigzag = np.stack([np.arange(200_000) % 2, np.abs(np.arange(200_000) % 5998 - 2999)], axis=1).astype(float)
    with pytest.raises(FieldError, match="an outline has 200,000 points over 3,000 rows"):
        fill_polygon(zigzag, (3000, 3000))
