"""The level at which the mask of an image is cut: by hand, by a loop, and what a network does with it."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from cdpnet.config import LevelConfig, method
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.network.build import build_network
from cdpnet.network.checkpoint import fingerprint
from cdpnet.network.decision import log_odds
from cdpnet.network.level import LEVELS, at_own_level, mask_level, mask_statistics
from tests.helpers import random_batch

CONFIG = LevelConfig(variance=0.8, contrast=1.2, outline=-0.3, border=-2.0, level=0.5, distance=-0.7)


def random_maps() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 5, 4, generator=generator), torch.randn(2, 6, 5, 4, generator=generator)


def test_two_locations_by_hand() -> None:
    """The masks of all levels hold the first of the two; every pixel is on the border."""
    odds, features = torch.tensor([[[2.0, -2.0]]]), torch.tensor([[[[1.0, -1.0]]]])
    found = mask_statistics(odds, features)
    same = [math.log(4.001), math.log(1.1), math.sqrt(0.5 / 0.501), 0.5]
    expected = torch.tensor([[*same, level, abs(level)] for level in LEVELS])
    torch.testing.assert_close(found[0], expected)
    assert torch.equal(mask_level(odds, features, LevelConfig(variance=3.0)), torch.zeros(1))
    weights = torch.tensor([math.exp(level) for level in LEVELS])
    mean = float((weights * torch.tensor(LEVELS)).sum() / weights.sum())
    assert float(mask_level(odds, features, LevelConfig(level=1.0))) == pytest.approx(0.7 * mean)


def test_statistics_are_those_of_a_loop() -> None:
    odds, features = random_maps()
    found = mask_statistics(odds, features)
    for b in range(2):
        vectors = features[b].flatten(1).T
        unit = {}
        for i, vector in enumerate(vectors):
            unit[divmod(i, 4)] = F.normalize(vector - vectors.mean(dim=0), dim=0)
        pairs = [(p, (p[0] + dy, p[1] + dx)) for p in unit for dy, dx in ((0, 1), (1, 0))]
        change = {pair: float((unit[pair[0]] - unit[pair[1]]).norm()) for pair in pairs if pair[1] in unit}
        mean = sum(change.values()) / len(change)
        for number, level in enumerate(LEVELS):
            mask = {p for p in unit if odds[b][p] > level}
            inside = [float(odds[b][p]) for p in unit if p in mask]
            outside = [float(odds[b][p]) for p in unit if p not in mask]
            area = len(inside) / 20
            apart = sum(inside) / max(1, len(inside)) - sum(outside) / max(1, len(outside))
            crossed = [value / mean for (p, q), value in change.items() if (p in mask) != (q in mask)]
            border = [p for p in unit if p[0] in (0, 4) or p[1] in (0, 3)]
            expected = [
                math.log(area * (1 - area) * apart**2 + 1e-3),
                math.log(sum(crossed) / max(1, len(crossed)) + 0.1),
                len(crossed) / math.sqrt(20) / math.sqrt(area + 1e-3),
                sum(p in mask for p in border) / len(border),
                level,
                abs(level),
            ]
            torch.testing.assert_close(found[b, number], torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_one_location_and_an_answer_that_is_the_same_everywhere_have_a_level() -> None:
    for shape in ((1, 1), (1, 5), (4, 3)):
        level = mask_level(torch.full((1, *shape), 0.3), torch.ones(1, 3, *shape), CONFIG)
        assert torch.isfinite(level).all()
        assert LEVELS[0] <= float(level) <= LEVELS[-1]


def test_the_level_becomes_zero_and_the_order_of_locations_stays() -> None:
    odds, features = random_maps()
    logits = torch.stack((torch.ones_like(odds), odds + 1), dim=1).requires_grad_()
    found = at_own_level(logits, features, CONFIG)
    level = mask_level(odds, features, CONFIG)
    assert level.abs().max() > 0.05
    torch.testing.assert_close(log_odds(found), odds - level[:, None, None])
    (slope,) = torch.autograd.grad(found.sum(), logits)
    assert torch.equal(slope, torch.ones_like(logits))  # nothing learns to move the level


@torch.no_grad()
@pytest.mark.parametrize("encoder", ["tiny", "photo"])
def test_the_network_cuts_its_output_by_the_visual_channels(encoder: str) -> None:
    batch, found, networks = random_batch(), [], []
    for level in (LevelConfig(), CONFIG):
        torch.manual_seed(0)
        config = dataclasses.replace(method("cdpn", encoder), level=level)
        networks.append(build_network(config, WeightSources(RANDOM, RANDOM)).eval())
        found.append(networks[-1](batch))
    before, after = found
    visual = before.query_features[:, :208] if encoder == "photo" else before.query_features
    expected = at_own_level(before.matches.output, visual, CONFIG)
    torch.testing.assert_close(after.matches.output, expected)
    assert torch.equal(before.matches.initial, after.matches.initial)
    assert not torch.equal(before.logits, after.logits)
    assert fingerprint(networks[0]) == fingerprint(networks[1])  # classes that were learned before still fit
