"""Which result to look at next, against values worked out by hand and by plain loops."""

from __future__ import annotations

import pytest
import torch

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.errors import DataError
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.inference.uncertainty import disagreement, leave_one_out, most_uncertain_first, uncertainty


def found(probabilities: list[list[float]], presence: list[float], background: float = 0.0) -> Segmentation:
    odds = torch.tensor(probabilities).logit()[:, None] + background
    size = (1, odds.shape[2])
    absent = tuple(p < 0.3 for p in presence)
    return Segmentation(size, size, tuple("abc"[: len(odds)]), odds, tuple(presence), absent, background)


@pytest.mark.parametrize("background", [0.0, -0.75])
def test_masks_and_presence_are_doubted(background: float) -> None:
    """Mask of the first two pixels, expected IoU (0.9 + 0.6) / (1 + 1 + 0.2)."""
    sure = found([[0.9, 0.6, 0.2]], [1.0], background)
    assert uncertainty(sure) == pytest.approx(1 - 1.5 / 2.2)
    assert uncertainty(found([[0.999, 0.001, 0.001]], [0.6])) == pytest.approx(0.8)  # 1 - |1.2 - 1|
    assert uncertainty(found([[0.9, 0.9]], [0.2])) == pytest.approx(0.4)  # absent, and 0.2 is not nothing
    assert uncertainty(found([[0.999, 0.001], [0.9, 0.9]], [1.0, 0.2])) == pytest.approx(0.4)


def test_disagreement_is_a_loop_over_examples_left_out() -> None:
    maps = [[0.9, 0.5, 0.1], [0.8, 0.6, 0.1], [0.2, 0.5, 0.9]]
    ious = []
    for other in maps[1:]:
        low = sum(min(a, b) for a, b in zip(maps[0], other, strict=True))
        ious.append(low / sum(max(a, b) for a, b in zip(maps[0], other, strict=True)))
    assert disagreement(found(maps, [1.0] * 3)) == pytest.approx(1 - sum(ious) / 2, abs=1e-6)
    assert disagreement(found([maps[0]] * 3, [1.0] * 3)) == pytest.approx(0, abs=1e-6)


def test_each_example_is_left_out_once(tiny: Segmenter) -> None:
    batch = IconEpisodes(0, 3, "test").draw(torch.arange(1)).batch
    images, masks = list(batch.support_images[0]), list(batch.support_masks[0])
    learned = tiny.learn("guitar", images, masks)
    config = tiny.network.config.decision
    whole, *others = leave_one_out(learned, config)
    assert whole is learned
    for i, other in enumerate(others):
        rest = [j for j in range(3) if j != i]
        expected = tiny.learn("guitar", [images[j] for j in rest], [masks[j] for j in rest])
        assert torch.equal(other.foreground, expected.foreground)
    same = tiny.learn("guitar", images[:1] * 2, masks[:1] * 2)
    assert tiny.disagreement(batch.query_images[0], same) == pytest.approx(0, abs=1e-5)
    assert tiny.disagreement(batch.query_images[0], learned) > 1e-3
    with pytest.raises(DataError, match="'guitar' has 1 example; two or more"):
        leave_one_out(tiny.learn("guitar", images[0], masks[0]), config)


def test_the_most_uncertain_comes_first_and_equal_ones_stay_in_order() -> None:
    assert most_uncertain_first([0.2, 0.9, 0.2, 0.5]) == [1, 3, 0, 2]
    assert most_uncertain_first([]) == []
