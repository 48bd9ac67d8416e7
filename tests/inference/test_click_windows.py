"""The windows in which clicks are answered: values by hand, and properties for any image and object."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cdpnet.inference.click_cues import Click
from cdpnet.inference.click_windows import (
    Box,
    box_of,
    choose_window,
    longer_side,
    marked_box,
    place,
    resample,
    share_on_grid,
    union,
    whole,
)

SIZE = (400, 600)


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ((180, 250, 220, 350), (125, 225, 275, 375)),  # 25 pixels beside each side, but a quarter of the image at least
        ((0, 0, 40, 200), (0, 0, 150, 300)),  # at a corner
        ((60, 100, 340, 500), (0, 0, 400, 600)),  # too large for a window of its own
        ((0, 0, 400, 600), (0, 0, 400, 600)),
    ],
)
def test_a_window_leaves_a_margin(marked: Box, expected: Box) -> None:
    assert choose_window(whole(SIZE), marked, SIZE) == expected


def test_a_window_is_kept_while_it_fits() -> None:
    window = choose_window(whole(SIZE), (180, 250, 220, 350), SIZE)
    assert choose_window(window, (170, 240, 240, 360), SIZE) == window  # grown, but inside
    grown = choose_window(window, (120, 240, 240, 360), SIZE)
    assert grown != window
    assert union(grown, (120, 240, 240, 360)) == grown
    small = choose_window(whole(SIZE), (200, 300, 210, 310), SIZE)
    assert longer_side(small) == 150
    assert choose_window((0, 0, 400, 400), (200, 300, 210, 310), SIZE) == small  # much too large


@st.composite
def image_and_object(draw: st.DrawFn) -> tuple[tuple[int, int], Box, Box]:
    size = draw(st.integers(1, 500)), draw(st.integers(1, 500))

    def box() -> Box:
        rows, columns = (sorted(draw(st.tuples(*[st.integers(0, side)] * 2))) for side in size)
        bottom, right = max(rows[1], rows[0] + 1), max(columns[1], columns[0] + 1)
        return min(rows[0], size[0] - 1), min(columns[0], size[1] - 1), min(bottom, size[0]), min(right, size[1])

    return size, box(), box()


@given(image_and_object())
def test_every_window_holds_what_is_marked(case: tuple[tuple[int, int], Box, Box]) -> None:
    size, current, marked = case
    window = choose_window(current, marked, size)
    assert union(window, marked) == window
    assert union(whole(size), window) == whole(size)
    assert choose_window(window, marked, size) == window


def test_what_is_marked_is_what_clicks_are_on() -> None:
    """Of a mask in three parts on a grid of 10 x 20 over a window of 100 x 100 pixels, one has the positive click."""
    odds = torch.full((10, 20), -1.0)
    odds[2:4, 2:6] = odds[8, 15] = odds[6, 6] = 1
    window = (50, 100, 150, 200)
    on, beside = Click(75, 115), Click(135, 180, False)
    assert marked_box(odds, window, [on]) == (70, 110, 90, 130)
    assert marked_box(odds, window, [on, beside]) == (70, 110, 136, 181)  # the latest click is seen
    assert marked_box(odds, window, [beside, on]) == (70, 110, 90, 130)
    assert marked_box(odds, window, [on, Click(10, 20)]) == (10, 20, 90, 130)  # also outside the window
    assert place(on, window, (10, 20)) == (2, 3)
    assert place(Click(10, 20), window, (10, 20)) is None


def test_log_odds_on_another_grid() -> None:
    """A ramp stays the same ramp; there is nothing outside."""
    source, size = (0, 0, 40, 80), (20, 40)
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(40.0), indexing="ij")
    odds = 0.1 * rows - 0.05 * columns
    assert resample(odds, source, source, size) is odds
    inner = resample(odds, source, (10, 20, 30, 60), (10, 10))
    expected = [[0.1 * (5 + i + 0.5 - 0.5) - 0.05 * (10 + 2 * j + 1 - 0.5) for j in range(10)] for i in range(10)]
    torch.testing.assert_close(inner, torch.tensor(expected), atol=1e-5, rtol=0)
    outer = resample(odds, source, (0, 0, 80, 80), (40, 40))
    torch.testing.assert_close(outer[:19], odds[:19], atol=1e-5, rtol=0)
    assert float(outer[21:].max()) == -8


def test_shares_and_boxes_of_a_mask() -> None:
    mask = np.zeros((8, 12), dtype=np.bool_)
    mask[2:5, 4:9] = True
    assert box_of(mask) == (2, 4, 5, 9)
    share = share_on_grid(mask, (2, 2, 6, 10), (2, 4))
    assert share.tolist() == [[0, 1, 1, 0.5], [0, 0.5, 0.5, 0.25]]
