"""The weights of levels: masks by hand, what a fit finds, and a small fit on icons."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cdpnet.config import LevelConfig
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.data.protocols.folds import ALL_FOLDS
from cdpnet.errors import ConfigError, DataError
from cdpnet.network.build import load_network
from cdpnet.network.decision import log_odds
from cdpnet.network.level import LEVELS, mask_statistics
from cdpnet.training.levels import FINE, Masks, choose_levels, fit_levels, fit_weights, segment

SMALL = SceneLayout(size=64)
STATISTICS = len(dataclasses.fields(LevelConfig))


def made_up(best: list[float]) -> Masks:
    """Queries of 100 pixels of an object; the mask of the ``best`` level is right, others miss or add 40 a level.

    The first statistic is minus the distance to the best level, the second is noise.
    """
    away = np.array(best)[:, None] - FINE
    inside = np.round(100 - 40 * np.clip(-away, 0, None)).astype(int)
    answered = inside + np.round(40 * np.clip(away, 0, None)).astype(int)
    statistics = np.zeros((len(best), len(LEVELS), STATISTICS))
    statistics[:, :, 0] = -np.abs(np.array(best)[:, None] - np.array(LEVELS))
    statistics[:, :, 1] = np.random.default_rng(0).normal(size=statistics.shape[:2])
    return Masks(statistics, np.arange(len(best)), np.full(len(best), 100), inside, answered)


def test_figures_by_hand() -> None:
    masks = made_up([0.0, 0.5])
    assert masks.miou(np.array([0.0, 0.5])) == pytest.approx(100)
    assert masks.miou(np.array([0.5, 0.51])) == pytest.approx(100 * (80 / 100 + 1) / 2)  # half a level misses 20
    assert masks.miou(np.array([0.0, 0.0])) == pytest.approx(100 * (1 + 100 / 120) / 2)
    ious = masks.ious()
    assert ious[0, LEVELS.index(0.0)] == 1
    assert ious[1, LEVELS.index(0.0)] == pytest.approx(100 / 120)


def test_the_fit_finds_what_tells_a_good_mask() -> None:
    best = np.random.default_rng(1).uniform(-0.9, 0.9, size=200)
    masks = made_up(best.tolist())
    weights = fit_weights(masks)
    assert weights[0] > 10 * abs(weights[1])
    assert np.all(weights[2:] == 0)  # statistics that are always the same say nothing
    levels = choose_levels(masks, weights)
    assert np.corrcoef(levels, best)[0, 1] > 0.9
    assert masks.miou(levels) > masks.miou(np.zeros(200)) + 5


def test_levels_are_fitted_on_the_masks_of_the_network() -> None:
    """The pixels are those of a loop over levels, the statistics those of the output."""
    network, episodes = load_network("tiny"), IconEpisodes(0, 1, "val", layout=SMALL)
    masks = segment(network, episodes, 3, id)
    drawn = episodes.draw(torch.tensor([2]))
    with torch.inference_mode():
        prediction = network(drawn.batch)
    odds = log_odds(prediction.logits)
    for number in (0, 16, 25):
        answer = odds > float(FINE[number])
        assert abs(int(answer.sum()) - masks.answered[2, number]) <= 2
        assert abs(int((answer & (drawn.query_masks == 1)).sum()) - masks.inside[2, number]) <= 2
    statistics = mask_statistics(log_odds(prediction.matches.output), prediction.query_features)
    np.testing.assert_allclose(masks.statistics[2], statistics[0].numpy(), atol=1e-3)


def test_a_small_fit_leaves_the_network_without_levels_and_measures_on_other_classes() -> None:
    network, episodes = load_network("tiny"), IconEpisodes(0, 1, "val", layout=SMALL)
    network.config = dataclasses.replace(network.config, level=LevelConfig(level=9.0))
    config, result = fit_levels(network, episodes, 12)
    assert network.config.level == LevelConfig()
    assert config != LevelConfig()
    assert result.fitted >= result.at_zero - 1
    assert all(0 < figure < 100 for figure in result)
    again, _ = fit_levels(network, episodes, 12)
    assert again == config


def test_networks_that_saw_the_masks_and_too_few_classes_are_refused() -> None:
    network, episodes = load_network("tiny"), IconEpisodes(0, 1, "val", layout=SMALL)
    all_classes: Any = SimpleNamespace(fold=ALL_FOLDS)
    with pytest.raises(ConfigError, match="give --fold"):
        fit_levels(network, all_classes, 4)
    with pytest.raises(DataError, match="give --episodes a larger number"):
        fit_levels(network, episodes, 1)
