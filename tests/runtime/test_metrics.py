from __future__ import annotations

import math

import torch

from cdpnet.runtime.metrics import SegmentationCounts, count_pixels


def test_counts_by_hand() -> None:
    predicted = torch.tensor([[[1, 1, 0], [0, 0, 1]]])
    truth = torch.tensor([[[1, 0, 0], [1, 255, 255]]])
    inter, union = count_pixels(predicted, truth)
    assert inter.tolist() == [[1, 1]]
    assert union.tolist() == [[3, 3]]


def test_miou_pools_counts_over_the_run() -> None:
    """Two images of class 0 with IoU 1/2 and 0/3 pool to 1/5, not to the mean of the two; class 2 is never drawn."""
    total = SegmentationCounts(3)
    truth = torch.tensor([[[1, 1, 0, 0]], [[1, 0, 0, 0]], [[1, 0, 0, 0]]])
    predicted = torch.tensor([[[1, 0, 0, 0]], [[0, 1, 1, 0]], [[1, 0, 0, 0]]])
    total.add(predicted, truth, torch.tensor([0, 0, 1]))
    assert total.iou()[0].item() == torch.tensor(1 / 5)
    assert total.iou()[1] == 1
    assert math.isnan(total.iou()[2])
    assert abs(total.miou() - 60) < 1e-4
    background, foreground = (2 + 1 + 3) / (3 + 4 + 3), 2 / 6
    assert abs(total.fb_iou() - 50 * (background + foreground)) < 1e-4


def test_an_empty_prediction_scores_zero() -> None:
    total = SegmentationCounts(1)
    total.add(torch.zeros(1, 2, 2), torch.ones(1, 2, 2), torch.tensor([0]))
    assert total.miou() == 0


def test_ignored_pixels_do_not_count() -> None:
    total = SegmentationCounts(1)
    truth = torch.tensor([[[1, 255]]])
    total.add(torch.tensor([[[1, 1]]]), truth, torch.tensor([0]))
    assert total.miou() == 100


def test_a_class_never_drawn_counts_as_zero_where_the_protocol_says_so() -> None:
    """Classes 0 and 2 are the fold's: 2 is never drawn. HSNet divides by both, SSP by the one that was drawn."""
    total = SegmentationCounts(4)
    total.add(torch.tensor([[[1, 1, 0]]]), torch.tensor([[[1, 0, 0]]]), torch.tensor([0]))
    assert total.miou() == 50
    assert total.miou(torch.tensor([0, 2])) == 25
    assert total.miou(torch.tensor([0])) == 50


def test_a_query_without_the_class_counts_what_was_found_there() -> None:
    """A class that is drawn but absent adds its false positives to the union: 1 / (1 + 2)."""
    total = SegmentationCounts(1)
    total.add(torch.tensor([[[1, 0]], [[1, 1]]]), torch.tensor([[[1, 0]], [[0, 0]]]), torch.tensor([0, 0]))
    assert abs(total.miou() - 100 / 3) < 1e-4
