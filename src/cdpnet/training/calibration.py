"""The thresholds for background pixels and absent classes, fitted on base classes, measured on base and novel ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from cdpnet.config import Calibration, DecisionConfig, Names
from cdpnet.data.config import Split
from cdpnet.data.protocols.folds import ALL_FOLDS
from cdpnet.data.source import DrawnEpisodes, EpisodeSource
from cdpnet.errors import DataError
from cdpnet.evaluation.features import FeatureCache
from cdpnet.evaluation.loop import learn_episodes
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes
from cdpnet.network.presence import multiply_odds, presence_probability, presence_statistic
from cdpnet.training.allowance import Allowance
from cdpnet.training.counts import check_base_classes, count_pixels, miou_of_counts

_STEPS = 400  # thresholds that are tried
BACKGROUNDS = tuple(float(x) for x in np.arange(-2, 2.01, 0.25))  # log-odds that are tried
_PLAIN = BACKGROUNDS.index(0.0)


class Trials(NamedTuple):
    """Images with the class and images without it, T in all, each with its statistic (T,).

    class_ids, truth (T,): pixels of the object. inside, answered (T, O): pixels of the answer that are right, and all
    of the answer, for each of `BACKGROUNDS`.
    """

    fit: NDArray[np.float64]
    is_there: NDArray[np.bool_]
    class_ids: NDArray[np.int64]
    truth: NDArray[np.int64]
    inside: NDArray[np.int64]
    answered: NDArray[np.int64]

    def false_positives(self, present: NDArray[np.bool_], background: int = _PLAIN) -> float:
        """Percent of the images without the class that get a mask; present (T,): the class is not called absent."""
        return 100 * float((present & (self.answered[:, background] > 0))[~self.is_there].mean())

    def miou(self, present: NDArray[np.bool_], background: int = _PLAIN) -> float:
        """The mIoU in percent over the images with the class; the mask is empty where ``present`` (T,) is False."""
        answered, inside = self.answered[:, background] * present, self.inside[:, background] * present
        there, union = self.is_there, answered + self.truth - inside
        return miou_of_counts(self.class_ids[there], inside[there], union[there])


class CalibrationResult(NamedTuple):
    """Percent of false positives, and mIoU: of the network's own answer, with its background, and with the threshold.

    split: base or novel classes. images: with the class and without it.
    """

    split: str
    names: Names
    images: int
    false_positives: tuple[float, float, float]
    miou: tuple[float, float, float]


def calibrate(
    network: PrototypeNetwork,
    episodes: EpisodeSource,
    count: int,
    report: Callable[[str, int], object] = lambda *_: None,
    allowance: Allowance | None = None,
) -> tuple[DecisionConfig, list[CalibrationResult]]:
    """Fit the thresholds on base classes, and measure them on base and novel ones.

    episodes: those of a fold, or of all folds for a network that was not trained, with any split. report: called with
    the stage in words and the number of its episodes that are finished. allowance: by default that of `Allowance`.
    ConfigError where training had masks of the novel ones, DataError where no episode lacks a class.
    """
    check_base_classes(network.record, episodes, "calibrated")
    allowance = allowance or Allowance()
    own, measured = network.config.decision, []
    config = dataclasses.replace(own, named=Calibration(), unnamed=Calibration(), background=0.0)
    splits: list[tuple[Split, str]] = [("val", "base classes"), ("test", "novel classes")]
    if episodes.fold == ALL_FOLDS:  # every class serves to fit, and none is left to measure on
        splits = splits[:1]
    kinds: list[Names] = ["exact", "none"] if network.config.reads_names else ["none"]
    seen = {}
    for names in kinds:
        source = dataclasses.replace(episodes, names=names, category_share=0.0)
        seen[names] = [
            run_trials(
                network,
                dataclasses.replace(source, split=split),
                count,
                config,
                partial(report, f"{description}, names {names}"),
            )
            for split, description in splits
        ]
    background = find_background([trials[0] for trials in seen.values()])
    config = dataclasses.replace(config, background=BACKGROUNDS[background])
    for names, trials in seen.items():
        found = fit_calibration(trials[0], background, allowance)
        of_one = dataclasses.replace(found, threshold=_of_one_example(found.threshold, episodes.shots, own))
        config = (
            dataclasses.replace(config, named=of_one)
            if names == "exact"
            else dataclasses.replace(config, unnamed=of_one)
        )
        for split, one in zip(("base", "novel"), trials, strict=False):
            measured.append(_measure(split, names, one, found, background))
    return config, measured


@torch.inference_mode()
def run_trials(
    network: PrototypeNetwork,
    episodes: EpisodeSource,
    count: int,
    config: DecisionConfig,
    report: Callable[[int], object] = id,
) -> Trials:
    """Every class in its own query, and in the query of the episode before, unless that shows it too.

    DataError where all of them do.
    """
    rows, before, cache = [], None, FeatureCache(network)
    for number in range(count + 1):  # the first once more, as the successor of the last
        index = torch.tensor([number % count])
        drawn, shows = episodes.draw(index), episodes.classes_in_query(index)[0]
        learned, class_id = learn_episodes(network, drawn, cache), int(drawn.class_ids[0])
        features = cache.features(drawn.batch.query_images[:1].to(learned.foreground.device))
        if number < count:
            rows.append((True, class_id, *_tried(network, learned, drawn, features, drawn.query_masks[:1], config)))
        if before is not None and class_id not in before[1]:
            nothing = torch.zeros_like(before[0].query_masks[:1])
            rows.append((False, class_id, *_tried(network, learned, before[0], before[2], nothing, config)))
        before = (drawn, shows, features)
        report(min(number + 1, count))
    is_there, class_ids, *rest = (np.array(column) for column in zip(*rows, strict=True))
    if is_there.all():
        raise DataError("No episode has a query without the class of the next one; give --episodes a larger number.")
    fit, truth, inside, answered = rest
    return Trials(fit, is_there, class_ids, truth, inside, answered)


def find_background(seen: Sequence[Trials]) -> int:
    """The index in `BACKGROUNDS` with the highest mIoU, in the mean of classes with names and without.

    There is one for all classes, or they could not compete.
    """
    return max(
        range(len(BACKGROUNDS)), key=lambda i: sum(trials.miou(np.ones_like(trials.is_there), i) for trials in seen)
    )


def fit_calibration(seen: Trials, background: int, allowance: Allowance) -> Calibration:
    """A logistic regression of presence, and a threshold on it.

    The lowest threshold that leaves few false positives; where that costs too much, the highest that does not.
    """
    scale = float(seen.fit.std()) or 1.0
    x = (seen.fit - seen.fit.mean()) / scale
    sign = np.where(seen.is_there, 1.0, -1.0)
    share = np.where(seen.is_there, 0.5 / seen.is_there.sum(), 0.5 / (~seen.is_there).sum())  # both kinds count alike

    def loss(parameters: NDArray[np.float64]) -> float:
        return float((share * np.logaddexp(0, -sign * (parameters[0] * x - parameters[1]))).sum())

    slope, shift = minimize(loss, np.array([1.0, 0.0])).x
    calibration = Calibration(float(slope) / scale, float(seen.fit.mean() + scale * shift / slope))
    probability = compute_probabilities(seen.fit, calibration)
    least = seen.miou(np.ones_like(seen.is_there), background) - allowance.most_lost
    affordable = [
        threshold
        for threshold in np.quantile(probability, np.linspace(0, 1, _STEPS))
        if seen.miou(probability >= threshold, background) >= least
    ]
    clean = [t for t in affordable if seen.false_positives(probability >= t, background) <= allowance.false_masks]
    return dataclasses.replace(calibration, threshold=float(min(clean) if clean else max(affordable)))


def _of_one_example(threshold: float, shots: int, config: DecisionConfig) -> float:
    """The threshold from which `presence_thresholds` makes this one for ``shots`` examples."""
    factor = torch.tensor(shots, dtype=torch.float64) ** -config.threshold_rise
    return float(multiply_odds(torch.tensor(threshold, dtype=torch.float64), factor))


def compute_probabilities(fit: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """The probability that the class is there, (T,) -> (T,)."""
    known = torch.ones(len(fit), dtype=torch.bool)
    found: NDArray[np.float64] = presence_probability(
        torch.from_numpy(fit), known, DecisionConfig(named=calibration)
    ).numpy()
    return found


def _measure(split: str, names: Names, seen: Trials, calibration: Calibration, background: int) -> CalibrationResult:
    everything = np.ones_like(seen.is_there)
    present = compute_probabilities(seen.fit, calibration) >= calibration.threshold
    steps = ((everything, _PLAIN), (everything, background), (present, background))
    wrong, miou = zip(*((seen.false_positives(*step), seen.miou(*step)) for step in steps), strict=True)
    return CalibrationResult(split, names, len(seen.fit), wrong, miou)


def _tried(
    network: PrototypeNetwork,
    learned: Prototypes,
    shown: DrawnEpisodes,
    features: Tensor,
    truth: Tensor,
    config: DecisionConfig,
) -> tuple[float, int, list[int], list[int]]:
    """A class in the query of an episode, whose features are (1, C, h, w).

    Its statistic, the pixels of the truth (1, H, W), of the answer inside it, and of all the answer.
    """
    prediction = network.match_features(features, learned, shown.batch.query_images.shape[-2:])
    text_channels = network.image.text_channels
    fit = float(presence_statistic(prediction.query_features, learned, learned.named, config, text_channels))
    return fit, *count_pixels(prediction.logits, shown, truth, BACKGROUNDS)
