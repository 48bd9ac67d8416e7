"""Outlines: filled as labelling tools fill them, they are the mask again, with its holes and thin parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from cdpnet.labels.outlines import trace_outlines
from tests.labels.filling import fill_by_labelme, fill_by_trainers

MASKS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, 1))


def drawing(*rows: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in rows], np.uint8)


@settings(max_examples=80, deadline=None)
@given(MASKS)
def test_a_filled_outline_is_its_part(mask: np.ndarray) -> None:
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    outlines = trace_outlines(mask)
    assert len(outlines) == count
    for outline in outlines:
        x, y = outline[0]
        assert len(outline) >= 3
        assert np.array_equal(fill_by_trainers(outline, parts.shape), parts == parts[y, x])
        assert np.array_equal(fill_by_labelme(outline + 0.5, parts.shape), parts == parts[y, x])


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (drawing("....", ".##.", ".##.", ".##."), [[[1, 1], [2, 1], [2, 3], [1, 3]]]),
        (drawing("#"), [[[0, 0], [0, 0], [0, 0]]]),  # three points are the fewest of an outline
        (drawing(".#.", ".#.", "..."), [[[1, 0], [1, 1], [1, 1]]]),
        (drawing("#..", ".#.", "..#"), [[[0, 0], [2, 2], [2, 2]]]),  # touching at corners
        (drawing("#.#"), [[[0, 0]] * 3, [[2, 0]] * 3]),
        (drawing("...", "..."), []),
    ],
)
def test_outlines_by_hand(mask: np.ndarray, expected: list[list[list[int]]]) -> None:
    found = trace_outlines(mask)
    assert len(found) == len(expected)
    for outline, points in zip(found, expected, strict=True):
        assert len(outline) == len(points)
        assert np.array_equal(np.unique(outline, axis=0), np.unique(points, axis=0))


def test_a_hole_is_reached_over_marked_pixels() -> None:
    mask = drawing("#######", "#######", "###.###", "#######", "#######")
    (outline,) = trace_outlines(mask)
    assert {(0, 2), (2, 2)} <= {(x, y) for x, y in outline.tolist()}  # where the line leaves, and the hole's left side
    assert np.array_equal(fill_by_trainers(outline, (5, 7)), mask == 1)


def test_large_masks_have_few_points() -> None:
    mask = np.zeros((200, 300), np.uint8)
    mask[20:60, 20:80] = mask[100:180, 150:290] = 1
    assert [len(outline) for outline in trace_outlines(mask)] == [4, 4]  # none between the ends of straight lines
