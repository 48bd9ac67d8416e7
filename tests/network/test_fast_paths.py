"""What makes the network fast must not change what it says: against the same equations written straightforwardly."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import naive
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.encoders import image
from cdpnet.evaluation.loop import evaluate
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network import matching
from cdpnet.network.build import load_network

EPISODES = 8  # many CPUs are slow in bfloat16


@pytest.mark.parametrize("shots", [1, 3])
@pytest.mark.parametrize("chunk_elements", [2**14, 2**24])
def test_logits_equal_the_naive_ones(shots: int, chunk_elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All paths: the whole Gram matrix or chunks, sets that change a little or much, one encoder pass or several."""
    monkeypatch.setattr(matching, "_CHUNK_ELEMENTS", chunk_elements)
    network, batch = load_network("tiny"), IconEpisodes(0, shots, "test").draw(torch.arange(3)).batch
    with torch.inference_mode():
        expected = naive.episodes(network, batch)
        torch.testing.assert_close(network(batch).logits, expected, atol=1e-4, rtol=1e-4)
        monkeypatch.setattr(image, "_PIXELS_AT_ONCE", 3 * 128 * 128)
        torch.testing.assert_close(network(batch).logits, expected, atol=1e-4, rtol=1e-4)
        prototypes = network.learn(batch.support_images, batch.support_masks, batch.class_names)
        torch.testing.assert_close(network.match(batch.query_images, prototypes).logits, expected, atol=1e-4, rtol=1e-4)
    with_gradients = network(batch).logits.detach()
    torch.testing.assert_close(with_gradients, expected, atol=1e-4, rtol=1e-4)


def test_half_precision_hardly_changes_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """mIoU on icons moves by less than 0.3, with the attention in bfloat16 and with all large products in it."""
    network, source = load_network("tiny"), IconEpisodes(0, 1, "test")
    in_full = evaluate(network, source, EPISODES).miou()
    in_half = evaluate(network, source, EPISODES, precision="bfloat16").miou()
    monkeypatch.setattr(network, "forward", partial(network.forward, attention_dtype=torch.bfloat16))
    attention = evaluate(network, source, EPISODES).miou()
    assert abs(in_half - in_full) < 0.3
    assert abs(attention - in_full) < 0.3


@pytest.mark.parametrize("precision", ["attention", "bfloat16"])
def test_a_segmenter_in_half_precision(precision: str) -> None:
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(4)).batch
    in_full = Segmenter(load_network("tiny"))
    in_half = Segmenter(load_network("tiny"), precision=precision)  # type: ignore[arg-type]
    alike = []
    for i in range(4):
        example = batch.class_names[i], batch.support_images[i, 0], batch.support_masks[i, 0]
        one, other = in_full.learn(*example), in_half.learn(*example)
        assert torch.equal(one.foreground, other.foreground)  # classes are learned in float32 by both
        found = [s.segment(batch.query_images[i], one, min_presence=0.0) for s in (in_full, in_half)]
        alike.append((found[0].mask == found[1].mask).mean())
        assert not torch.equal(found[0].log_odds, found[1].log_odds)  # it does compute otherwise
    assert np.mean(alike) > (0.999 if precision == "attention" else 0.98)
