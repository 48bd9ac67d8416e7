"""From logits to the masks that are scored: padding, native size, several classes, supports of several sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from cdpnet.data.source import DrawnEpisodes
from cdpnet.episode import EpisodeBatch
from cdpnet.evaluation.loop import segment_episodes, to_scoring_size, winners
from tests.helpers import random_batch, small_network


def test_several_classes_compete_by_their_margin() -> None:
    background = torch.tensor([[0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 2.0]])
    foreground = torch.tensor([[1.0, 2.0, -1.0, 2.0], [3.0, 1.5, 0.0, 2.0]])
    logits = torch.stack((background, foreground), dim=1)[:, :, None]  # (2 classes, 2, 1, 4)
    assert winners(logits, 2).tolist() == [[[0, 1, 0, 0]], [[1, 0, 0, 0]]]
    assert winners(logits, 1).tolist() == [[[1, 1, 0, 0]], [[1, 1, 0, 0]]]


def test_one_way_is_the_plain_decision() -> None:
    logits = torch.randn(6, 2, 5, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(winners(logits, 1), logits.argmax(dim=1))


def test_ways_compete_within_their_own_query() -> None:
    logits = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    loop = torch.cat([winners(logits[i : i + 3], 3) for i in (0, 3)])
    assert torch.equal(winners(logits, 3), loop)
    assert (loop.reshape(2, 3, 4, 4).sum(dim=1) <= 1).all()


def test_padding_is_cut_off_before_the_way_back_to_native_size() -> None:
    logits = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(2))
    expected = F.interpolate(logits[..., :8, :12], size=(20, 30), mode="bilinear", align_corners=True)
    changed = logits.clone()
    changed[..., 8:, :] = changed[..., 12:] = 99
    assert torch.equal(to_scoring_size(changed, (8, 12), (20, 30)), expected)
    assert to_scoring_size(logits, None, (16, 16)) is logits


def test_shots_learned_apart_give_what_one_batch_gives() -> None:
    network, batch = small_network("cdpn"), random_batch(b=1, k=3)
    masks = torch.zeros(1, *batch.query_images.shape[-2:], dtype=torch.uint8)
    apart = tuple(
        EpisodeBatch(batch.support_images[:, [k]], batch.support_masks[:, [k]], batch.query_images, batch.class_names)
        for k in range(3)
    )
    together = DrawnEpisodes(batch, masks, torch.tensor([0]))
    with torch.inference_mode():
        assert torch.equal(
            segment_episodes(network, together), segment_episodes(network, together._replace(separate_shots=(apart,)))
        )
