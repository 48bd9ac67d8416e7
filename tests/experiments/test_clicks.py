"""The simulated user who clicks: values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cdpnet.experiments.clicks import MOST_CLICKS, MarkedObject, mean_ious, next_click


def test_the_next_click_is_in_the_middle_of_the_largest_error() -> None:
    truth, found = np.zeros((40, 50), dtype=bool), np.zeros((40, 50), dtype=bool)
    truth[5:14, 10:19] = True
    assert next_click(found, truth) == (9, 14, True)
    found[20:31, 30:41] = True  # larger than what is missing
    assert next_click(found, truth) == (25, 35, False)
    found[5:14, 10:19] = True
    found[20:31, 30:41] = False
    assert next_click(found, truth) is None
    corner = np.zeros((40, 50), dtype=bool)
    corner[:9, :9] = True  # the border of the image counts as a border
    assert next_click(np.zeros((40, 50), dtype=bool), corner) == (4, 4, True)


def test_what_is_not_reached_counts_as_the_most_clicks() -> None:
    good, bad = MarkedObject("a", 1, (0.2, 0.85)), MarkedObject("b", 1, (0.1,) * MOST_CLICKS)
    assert (good.clicks, bad.clicks) == (2, 20)
    ious = mean_ious([good, bad])
    assert len(ious) == MOST_CLICKS
    assert ious[:3] == pytest.approx((0.15, 0.475, 0.475))
