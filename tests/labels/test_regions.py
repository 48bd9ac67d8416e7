"""Regions: their masks, areas and boxes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cdpnet.errors import DataError
from cdpnet.labels.regions import ImageLabels, Region, region_from_mask, region_from_outlines


def test_a_region_by_hand() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[1:5, 2:7] = 1
    mask[2:4, 4] = 0
    labelled, region = ImageLabels("p", 6, 8), region_from_mask(mask == 1, "x", 0.5)
    assert labelled.area(region) == 4 * 5 - 2
    assert labelled.bounding_box(region) == [2, 1, 5, 4]
    assert region.score == 0.5


def test_regions_of_one_label_are_one_mask() -> None:
    left, right = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    left[:, 0], right[:, 3] = True, True
    labelled = ImageLabels(
        "p", 4, 4, (region_from_mask(left, "a"), region_from_mask(right, "a"), region_from_mask(left, "b"))
    )
    assert np.array_equal(labelled.class_mask("a"), left | right)
    assert not labelled.class_mask("c").any()
    assert labelled.regions[0] == Region("a", labelled.regions[2].counts)


def test_an_outline_of_two_points_is_refused() -> None:
    with pytest.raises(DataError, match="fewer than three points"):
        region_from_outlines([[0, 0, 3, 3]], (5, 5), "crack")


def test_many_regions_of_one_label_are_not_in_memory_as_masks() -> None:
    """As masks, these would take 500 MB."""
    mask = np.zeros((1000, 1000), bool)
    mask[10:20, 10:40] = True
    labelled = ImageLabels("p", *mask.shape, (region_from_mask(mask, "a"),) * 500)
    tracemalloc.start()
    assert np.array_equal(labelled.class_mask("a"), mask)
    assert tracemalloc.get_traced_memory()[1] < 20 * mask.nbytes
    tracemalloc.stop()


@pytest.mark.parametrize("counts", ["", "o", "P", "é", "0" * 99, "5:Y4", "oooo1oooo1"])
def test_run_lengths_of_another_mask_are_refused(counts: str) -> None:
    with pytest.raises(DataError, match="run lengths"):
        ImageLabels("p", 10, 12).mask(Region("x", counts))


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)))
def test_run_lengths_of_every_mask_pass_the_check(mask: np.ndarray) -> None:
    assert np.array_equal(ImageLabels("p", *mask.shape).mask(region_from_mask(mask == 1, "x")), mask)
