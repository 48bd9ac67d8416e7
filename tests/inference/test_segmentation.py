"""From coarse scores to masks, and to how much they can be trusted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import cdpnet.inference.segmentation
from cdpnet.inference.segmentation import Segmentation, resize_rows


def answer(
    odds: torch.Tensor, presence: tuple[float, ...], absent: tuple[bool, ...], background: float = 0.0
) -> Segmentation:
    size = (odds.shape[1], odds.shape[2])
    return Segmentation(size, size, tuple("abc"[: len(odds)]), odds, presence, absent, background)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (37, 53), (200, 64)])
def test_strips_equal_the_whole(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    odds = torch.randn(2, 12, 17, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(odds[None], size=size, mode="bilinear", align_corners=True)[0]
    torch.testing.assert_close(resize_rows(odds, size, range(size[0])), expected, atol=1e-5, rtol=1e-5)
    found = Segmentation(size, (12, 17), ("a", "b"), odds, (1.0, 1.0), (False, False))
    whole = found.mask
    monkeypatch.setattr(cdpnet.inference.segmentation, "_STRIP", 1)
    in_lines = Segmentation(size, (12, 17), ("a", "b"), odds, (1.0, 1.0), (False, False)).mask
    assert np.array_equal(whole, in_lines)
    best = expected.max(dim=0)
    np.testing.assert_array_equal(whole, torch.where(best.values > 0, best.indices + 1, 0).numpy())


def test_classes_compete_and_absent_ones_do_not() -> None:
    odds = torch.tensor([[[3.0, 3.0, -1.0]], [[4.0, 1.0, -2.0]]])
    assert answer(odds, (0.9, 0.9), (False, False)).mask.tolist() == [[2, 1, 0]]
    gone = answer(odds, (0.9, 0.1), (False, True))
    assert gone.mask.tolist() == [[1, 1, 0]]
    assert gone.found == ("a",)
    assert answer(odds, (0.9, 0.9), (False, False), background=-1.5).mask.tolist() == [[2, 1, 1]]
    assert answer(odds, (0.9, 0.9), (False, False), background=3.5).mask.tolist() == [[2, 0, 0]]
    nothing = answer(odds, (0.1, 0.1), (True, True))
    assert not nothing.mask.any()
    assert nothing.found == ()
    assert nothing.scores.shape == (2, 1, 3)


def test_the_same_scores_at_another_threshold() -> None:
    """Probabilities of 0.9, 0.6 and 0.3 against a threshold."""
    found = answer(torch.tensor([[[0.9, 0.6, 0.3]]]).logit(), (0.9,), (False,), background=-0.75)
    assert found.mask.tolist() == [[1, 1, 0]]
    for threshold, mask in ((0.0, [1, 1, 1]), (0.2, [1, 1, 1]), (0.5, [1, 1, 0]), (0.7, [1, 0, 0]), (1.0, [0, 0, 0])):
        assert found.at(threshold).mask.tolist() == [mask]
    assert found.at(0.7).found == ("a",)
    assert found.at(1.0).found == ()
    assert found.mask.tolist() == [[1, 1, 0]]
    assert np.array_equal(found.at(0.7).scores, found.scores)


def test_uncertainty_by_hand() -> None:
    """One minus sum min(p, m) / sum max(p, m) of a class with a mask; the presence of one without."""
    logit = torch.tensor([[[0.9, 0.8, 0.4, 0.1]]]).logit()
    expected = (0.9 + 0.8) / (1 + 1 + 0.4 + 0.1)
    assert answer(logit, (0.7,), (False,)).uncertainty == pytest.approx(1 - expected)
    assert answer(logit, (0.2,), (True,)).uncertainty == pytest.approx(0.2)
    both = answer(torch.cat((logit, -logit.abs() - 1)), (0.7, 0.3), (False, False))
    assert both.uncertainty == pytest.approx(max(1 - expected, 0.3))
