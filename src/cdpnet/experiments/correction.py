"""A simulated user who corrects one image after the other, and what that gives for images that are never corrected.

A class is learned from one example. In each round the user corrects one image of a pool by its truth, and the class is
taught with it. Everything is our choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.data.readers.reader import DatasetReader
from cdpnet.experiments.config import CorrectionConfig
from cdpnet.experiments.shown_images import TESTED, ShownImage, ShownImages, iou_in_percent
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.learning import blank_class, with_examples
from cdpnet.inference.segmenter import Segmenter
from cdpnet.inference.uncertainty import disagreement, leave_one_out, most_uncertain_first, uncertainty
from cdpnet.io.files import write_json
from cdpnet.runtime.provenance import provenance
from cdpnet.values import JSON

Choice = Literal["uncertain", "disagreement", "uncertain area", "typical", "random"]
"""Which image of the pool is corrected next.

uncertain: the most uncertain one. disagreement: the one in which the examples disagree most, see `disagreement`; the
most uncertain while there is one example. uncertain area: the highest product of uncertainty and mean probability
over the image. typical: the one by which the images of the pool get most like their nearest example. random: any.
"""
CHOICES: tuple[Choice, ...] = get_args(Choice)
ROUNDS = (0, 1, 3, 5, 10)
"""Corrections after which the other images are segmented."""
RESULTS_FILE = "correction.json"


@dataclass(frozen=True)
class CorrectionCurve:
    """Mean IoU, 0..100, of the images that are never corrected, after each of `ROUNDS`."""

    class_name: str
    start: int
    choice: Choice
    ious: tuple[float, ...]
    pool: int
    """Images that there were to correct; where they are fewer than the corrections, all of them are corrected."""


@torch.inference_mode()
def simulate(
    segmenter: Segmenter, reader: DatasetReader, config: CorrectionConfig, report: Callable[[str], object]
) -> list[CorrectionCurve]:
    """Run the simulated user on every class that enough images show.

    report: called with the name of each class that is done. DataError where no class has enough images.
    """
    curves, images = [], ShownImages(segmenter, reader)
    for number, places in images.find_classes(config).items():
        name = reader.class_names[number - 1]
        rng = np.random.default_rng((config.seed, number))
        chosen = [places[i] for i in rng.permutation(len(places))[: config.at_most]]
        shown = [images.show(place, number) for place in chosen]
        for start in range(config.starts):
            order = rng.permutation(len(shown))
            n_tested = len(shown) // TESTED
            tested, first, pool = order[:n_tested], order[n_tested], order[n_tested + 1 :]
            for choice in CHOICES:
                user = _User(images, name, [shown[i] for i in tested])
                ious = user.correct(shown[first], [shown[i] for i in pool], choice)
                curves.append(CorrectionCurve(name, start, choice, ious, len(pool)))
        report(name)
    return curves


class _User:
    """A simulated user of one class."""

    def __init__(self, images: ShownImages, name: str, tested: Sequence[ShownImage]) -> None:
        self.images, self.tested = images, tested
        self.blank = blank_class(images.segmenter.network, name, name, images.segmenter.model)

    def correct(self, first: ShownImage, pool: list[ShownImage], choice: Choice) -> tuple[float, ...]:
        """The curve of one run, which begins with the example ``first``. The pool is in a random order."""
        taught, ious = [first], []
        for done in range(max(ROUNDS) + 1):
            if done in ROUNDS:
                found = zip(self.images.segment([self._learn(taught)], self.tested), self.tested, strict=True)
                ious.append(float(np.mean([iou_in_percent(one, shown.truth) for one, shown in found])))
            if pool and done < max(ROUNDS):
                next_one = 0 if choice == "random" else most_uncertain_first(self._values(taught, pool, choice))[0]
                taught.append(pool.pop(next_one))
        return tuple(ious)

    def _values(self, taught: Sequence[ShownImage], pool: Sequence[ShownImage], choice: Choice) -> list[float]:
        """What the images of the pool are ordered by, the highest first."""
        if choice == "typical":
            return gains_in_likeness([describe(one) for one in pool], [describe(one) for one in taught])
        learned = self._learn(taught)
        if choice == "disagreement" and len(taught) > 1:
            classes = leave_one_out(learned, self.images.segmenter.network.config.decision)
            return [disagreement(found) for found in self.images.segment(classes, pool)]
        results = self.images.segment([learned], pool)
        if choice == "uncertain area":
            shares = [float((found.log_odds - found.background).sigmoid().mean()) for found in results]
            return [uncertainty(found) * share for found, share in zip(results, shares, strict=True)]
        return [uncertainty(found) for found in results]

    def _learn(self, taught: Sequence[ShownImage]) -> ClassPrototype:
        examples = [shown.example for shown in taught]
        return with_examples(self.blank, examples, self.images.segmenter.network.config.decision, None)


def describe(shown: ShownImage) -> Tensor:
    """The mean direction of an image's features: a unit vector (C,)."""
    return F.normalize(F.normalize(shown.features[0].flatten(1), dim=0).mean(dim=1), dim=0)


def gains_in_likeness(pool: Sequence[Tensor], taught: Sequence[Tensor]) -> list[float]:
    """By how much each image of a pool, once taught, raises the cosines of all with their nearest taught image.

    pool, taught: a unit vector (C,) for each image.
    """
    those = torch.stack(list(pool))
    nearest = (those @ torch.stack(list(taught)).T).amax(dim=1, keepdim=True)
    return (those @ those.T - nearest).clamp(min=0).sum(dim=0).tolist()


def mean_curves(curves: Sequence[CorrectionCurve]) -> dict[Choice, tuple[float, ...]]:
    """The mean over starts and classes, for each choice."""
    means: dict[Choice, tuple[float, ...]] = {}
    for choice in CHOICES:
        rows = [curve.ious for curve in curves if curve.choice == choice]
        means[choice] = tuple(np.mean(rows, axis=0).tolist())
    return means


def lead_over_random(curves: Sequence[CorrectionCurve], choice: Choice, done: int) -> tuple[float, float]:
    """How far a choice is above random after so many corrections, and the standard error of that, in percent of IoU.

    Starts are compared one by one, as if all were independent; with a single one the error is not a number.
    """
    random = {(c.class_name, c.start): c.ious for c in curves if c.choice == "random"}
    at = ROUNDS.index(done)
    leads = [c.ious[at] - random[c.class_name, c.start][at] for c in curves if c.choice == choice]
    error = float(np.std(leads, ddof=1)) / math.sqrt(len(leads)) if len(leads) > 1 else math.nan
    return float(np.mean(leads)), error


def write_curves(curves: Sequence[CorrectionCurve], config: CorrectionConfig, segmenter: Segmenter, out: Path) -> Path:
    """Write the curves, with their conditions, as JSON."""
    values: dict[str, JSON] = {
        "model": list(segmenter.model),
        "refine": segmenter.refine,
        **provenance(),
        "rounds": list(ROUNDS),
        **asdict(config),
        "curves": [{**asdict(curve), "ious": list(curve.ious)} for curve in curves],
    }
    write_json(values, out / RESULTS_FILE)
    return out / RESULTS_FILE
