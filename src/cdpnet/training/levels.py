"""The weights that choose the level of a mask, fitted on base classes; see `network/level.py` (our choice)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from cdpnet.config import LevelConfig
from cdpnet.data.source import EpisodeSource
from cdpnet.errors import DataError
from cdpnet.evaluation.features import FeatureCache
from cdpnet.evaluation.loop import learn_episodes
from cdpnet.network.decision import log_odds
from cdpnet.network.level import LEVELS, mask_statistics, mean_level
from cdpnet.network.network import PrototypeNetwork
from cdpnet.training.counts import check_base_classes, count_pixels, miou_of_counts

_SHARPNESS = 2.0  # of the weights of levels: of the log-odds that a mask is good
_DECAY = 1e-3  # of the weights of standardised statistics
_GROUPS = 4  # of classes: on each, the weights fitted on the others are measured
FINE = np.arange(-16, 17) / 16  # levels at which masks are measured


class LevelResult(NamedTuple):
    """The mIoU of masks cut at 0, at levels that were fitted on other classes, and at levels fitted on all of them."""

    at_zero: float
    held_out: float
    fitted: float


class Masks(NamedTuple):
    """What the masks of T queries are like, (T, levels, n), and their pixels at the `FINE` levels.

    class_ids, truth (T,): pixels of the object. inside, answered (T, fine): pixels of the mask that are right, and all.
    """

    statistics: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    truth: NDArray[np.int64]
    inside: NDArray[np.int64]
    answered: NDArray[np.int64]

    def of(self, rows: NDArray[np.bool_]) -> Masks:
        """The same of some queries (T,) only."""
        return Masks(
            self.statistics[rows], self.class_ids[rows], self.truth[rows], self.inside[rows], self.answered[rows]
        )

    def miou(self, levels: NDArray[np.float64]) -> float:
        """The mIoU in percent of masks at one level (T,) each."""
        nearest = np.abs(levels[:, None] - FINE).argmin(axis=1)[:, None]
        inside, answered = (np.take_along_axis(c, nearest, axis=1)[:, 0] for c in (self.inside, self.answered))
        return miou_of_counts(self.class_ids, inside, answered + self.truth - inside)

    def ious(self) -> NDArray[np.float64]:
        """The IoU of the mask of each of `LEVELS`, (T, levels)."""
        of_levels = np.searchsorted(FINE, LEVELS)
        inside, answered = self.inside[:, of_levels], self.answered[:, of_levels]
        ious: NDArray[np.float64] = inside / (answered + self.truth[:, None] - inside)
        return ious


def fit_levels(
    network: PrototypeNetwork, episodes: EpisodeSource, count: int, report: Callable[[int], object] = id
) -> tuple[LevelConfig, LevelResult]:
    """Fit the weights on the first ``count`` episodes of base classes, and measure what they give.

    The network is left without levels of its own.
    ConfigError where training had masks of the novel classes, DataError where there are classes of one group only.
    """
    check_base_classes(network.record, episodes, "fitted")
    network.config = dataclasses.replace(network.config, level=LevelConfig())
    seen = segment(network, episodes, count, report)
    group = seen.class_ids % _GROUPS
    if len(np.unique(group)) == 1:
        raise DataError("The episodes show too few classes to measure on others; give --episodes a larger number.")
    held_out = np.zeros(count)
    for one in np.unique(group):
        held_out[group == one] = choose_levels(seen.of(group == one), fit_weights(seen.of(group != one)))
    weights = fit_weights(seen)
    result = LevelResult(seen.miou(np.zeros(count)), seen.miou(held_out), seen.miou(choose_levels(seen, weights)))
    return LevelConfig(*weights.tolist()), result


@torch.inference_mode()
def segment(network: PrototypeNetwork, episodes: EpisodeSource, count: int, report: Callable[[int], object]) -> Masks:
    """The masks that the network gives for the queries of episodes."""
    rows, cache = [], FeatureCache(network)
    for number in range(count):
        drawn = episodes.draw(torch.tensor([number]))
        features = cache.features(drawn.batch.query_images[:1].to(next(network.parameters()).device))
        learned = learn_episodes(network, drawn, cache)
        prediction = network.match_features(features, learned, drawn.batch.query_images.shape[-2:])
        visual = prediction.query_features[:, : network.image.text_channels]
        statistics = mask_statistics(log_odds(prediction.matches.output), visual)[0]
        counts = count_pixels(prediction.logits, drawn, drawn.query_masks[:1], FINE.tolist())
        rows.append((statistics.cpu().double().numpy(), int(drawn.class_ids[0]), *counts))
        report(number + 1)
    return Masks(*(np.array(column) for column in zip(*rows, strict=True)))


def fit_weights(seen: Masks) -> NDArray[np.float64]:
    """The weights, of a logistic regression of the IoU of every mask on what it is like."""
    std = seen.statistics.std(axis=(0, 1)) + 1e-6
    x = (seen.statistics - seen.statistics.mean(axis=(0, 1))) / std
    ious = seen.ious()

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = x @ parameters[1:] + parameters[0]
        error = 1 / (1 + np.exp(-odds)) - ious
        decay = _DECAY * parameters[1:]
        slope = np.concatenate(([error.mean()], np.einsum("tl,tln->n", error, x) / error.size + 2 * decay))
        return float((np.logaddexp(0, odds) - ious * odds).mean() + decay @ parameters[1:]), slope

    found = minimize(loss, np.zeros(x.shape[2] + 1), jac=True, method="L-BFGS-B").x
    weights: NDArray[np.float64] = _SHARPNESS * found[1:] / std
    return weights


def choose_levels(seen: Masks, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The level (T,) of each query, as `mask_level` chooses it."""
    levels: NDArray[np.float64] = mean_level(torch.from_numpy(seen.statistics @ weights)).numpy()
    return levels
