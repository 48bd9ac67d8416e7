"""A simulated user who corrects one image after the other, and what that gives for images that are never corrected.

A class is learned from one example. In each round the user corrects one image of a pool by its truth, and the class is
taught with it. Everything is our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from cdpnet.data.readers.reader import DatasetReader
from cdpnet.experiments.config import CorrectionConfig
from cdpnet.experiments.shown_images import ShownImage, ShownImages, iou_in_percent
from cdpnet.inference.class_examples import ClassExample
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.learning import blank_class, with_examples
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.inference.uncertainty import most_uncertain_first, uncertainty
from cdpnet.io.files import write_json
from cdpnet.values import JSON

Choice = Literal["uncertain", "random"]
"""Which image of the pool is corrected next: the most uncertain one, or any."""
ROUNDS = (0, 1, 3, 5, 10)
"""Corrections after which the other images are segmented."""
RESULTS_FILE = "correction.json"
TESTED = 3
"""One in so many images of a class is never corrected."""


@dataclass(frozen=True)
class CorrectionCurve:
    """Mean IoU, 0..100, of the images that are never corrected, after each of `ROUNDS`."""

    class_name: str
    start: int
    choice: Choice
    ious: tuple[float, ...]


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
            for choice in get_args(Choice):
                user = _User(images, name, [shown[i] for i in tested])
                ious = user.correct(shown[first], [shown[i] for i in pool], choice)
                curves.append(CorrectionCurve(name, start, choice, ious))
        report(name)
    return curves


class _User:
    """A simulated user of one class."""

    def __init__(self, images: ShownImages, name: str, tested: Sequence[ShownImage]) -> None:
        self.images, self.tested = images, tested
        self.blank = blank_class(images.segmenter.network, name, name, images.segmenter.model)

    def correct(self, first: ShownImage, pool: list[ShownImage], choice: Choice) -> tuple[float, ...]:
        """The curve of one run, which begins with the example ``first``. The pool is in a random order."""
        examples, ious = [first.example], []
        for done in range(max(ROUNDS) + 1):
            if done in ROUNDS:
                found = zip(self._segment(examples, self.tested), self.tested, strict=True)
                ious.append(float(np.mean([iou_in_percent(one, shown.truth) for one, shown in found])))
            if pool and done < max(ROUNDS):
                examples.append(pool.pop(self._next(examples, pool, choice)).example)
        return tuple(ious)

    def _next(self, examples: Sequence[ClassExample], pool: Sequence[ShownImage], choice: Choice) -> int:
        if choice == "random":
            return 0
        return most_uncertain_first([uncertainty(found) for found in self._segment(examples, pool)])[0]

    def _segment(self, examples: Sequence[ClassExample], images: Sequence[ShownImage]) -> list[Segmentation]:
        return self.images.segment([self._learn(examples)], images)

    def _learn(self, examples: Sequence[ClassExample]) -> ClassPrototype:
        return with_examples(self.blank, examples, self.images.segmenter.network.config.decision, None)


def mean_curves(curves: Sequence[CorrectionCurve]) -> dict[Choice, tuple[float, ...]]:
    """The mean over starts and classes, for each choice."""
    means: dict[Choice, tuple[float, ...]] = {}
    for choice in get_args(Choice):
        rows = [curve.ious for curve in curves if curve.choice == choice]
        means[choice] = tuple(np.mean(rows, axis=0).tolist())
    return means


def write_curves(
    curves: Sequence[CorrectionCurve], config: CorrectionConfig, model: tuple[str, str], out: Path
) -> Path:
    """Write the curves, with their conditions, as JSON."""
    values: dict[str, JSON] = {
        "model": list(model),
        "rounds": list(ROUNDS),
        **asdict(config),
        "curves": [{**asdict(curve), "ious": list(curve.ious)} for curve in curves],
    }
    write_json(values, out / RESULTS_FILE)
    return out / RESULTS_FILE
