"""The sharing of answers among like locations: by hand, by a loop, and its properties."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from cdpnet.config import LevelConfig, MatchingConfig, method
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.network import matching
from cdpnet.network.build import build_network
from cdpnet.network.spreading import spread
from tests.helpers import random_batch


def test_two_opposite_locations_by_hand() -> None:
    """Less their mean they point in opposite directions: weights e^8 and e^-8."""
    features = torch.tensor([[1.0, 0.0], [3.0, 2.0]]).T.reshape(1, 2, 1, 2)
    logits = torch.tensor([[0.0, 0.0], [4.0, -2.0]]).reshape(1, 2, 1, 2)
    own = 1 / (1 + math.exp(-16))
    found = spread(logits, features, MatchingConfig())
    expected = torch.tensor([4 * own - 2 * (1 - own), -2 * own + 4 * (1 - own)])
    torch.testing.assert_close(found[0, 1, 0], expected)
    torch.testing.assert_close(found[0, 0, 0], torch.zeros(2))


@pytest.mark.parametrize("chunk_elements", [7, 2**24])
@pytest.mark.parametrize("grad", [False, True])
def test_it_is_that_of_a_loop(chunk_elements: int, grad: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_CHUNK_ELEMENTS", chunk_elements)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 3, 4, generator=generator)
    logits = torch.randn(2, 2, 3, 4, generator=generator)
    with torch.set_grad_enabled(grad):
        found = spread(logits, features, MatchingConfig())
    for b in range(2):
        vectors = features[b].flatten(1).T
        unit = [F.normalize(v - vectors.mean(dim=0), dim=0) for v in vectors]
        for i, one in enumerate(unit):
            weights = torch.stack([torch.exp(8 * (one @ other)) for other in unit])
            expected = (logits[b].flatten(1) * weights).sum(dim=1) / weights.sum()
            torch.testing.assert_close(found[b].flatten(1)[:, i], expected, atol=1e-5, rtol=1e-4)


def test_an_answer_that_is_everywhere_the_same_stays() -> None:
    logits = torch.tensor([1.5, -2.5]).reshape(1, 2, 1, 1).expand(1, 2, 4, 5)
    torch.testing.assert_close(spread(logits, torch.randn(1, 6, 4, 5), MatchingConfig()), logits)


def test_keys_are_pooled_where_there_are_more_locations() -> None:
    """Features that are alike within blocks lose nothing."""
    blocks = torch.randn(1, 6, 4, 4, generator=torch.Generator().manual_seed(1))
    features = blocks.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    logits = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(2))
    exact, pooled = (spread(logits, features, MatchingConfig(keys=keys)) for keys in (None, 16))
    torch.testing.assert_close(pooled, exact, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("encoder", ["tiny", "photo"])
def test_the_network_spreads_its_output_over_the_visual_channels(encoder: str) -> None:
    batch, found = random_batch(), []
    for spread_logits in (False, True):
        torch.manual_seed(0)
        config = dataclasses.replace(method("cdpn", encoder), spread_logits=spread_logits, level=LevelConfig())
        network = build_network(config, WeightSources(RANDOM, RANDOM)).eval()
        found.append(network(batch))
    before, after = found
    assert torch.equal(before.matches.initial, after.matches.initial)
    visual = before.query_features[:, :208] if encoder == "photo" else before.query_features
    expected = spread(before.matches.output, visual, network.config.matching)
    torch.testing.assert_close(after.matches.output, expected)
    assert not torch.allclose(after.logits, before.logits)
