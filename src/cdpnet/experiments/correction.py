"""A simulated user who corrects one image after the other, and what that gives for images that are never corrected.

A class is learned from one example. In each round the user corrects one image of a pool by its truth, and the class is
taught with it. Everything is our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.data.readers.reader import DatasetReader, ImageSet
from cdpnet.errors import DataError
from cdpnet.experiments.config import CorrectionConfig
from cdpnet.inference.class_batch import build_class_batch
from cdpnet.inference.class_examples import ClassExample
from cdpnet.inference.learning import Support, blank_class, encode_support, pool_example, with_examples
from cdpnet.inference.preprocessing import PreprocessedImage, resize_to
from cdpnet.inference.scoring import Scoring, to_segmentation
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.inference.uncertainty import most_uncertain_first, uncertainty
from cdpnet.io.files import write_json
from cdpnet.io.image_tensors import read_image
from cdpnet.runtime.constants import IGNORE_INDEX, UNLABELLED
from cdpnet.runtime.metrics import mask_iou
from cdpnet.values import JSON

Choice = Literal["uncertain", "random"]
"""Which image of the pool is corrected next: the most uncertain one, or any."""
ROUNDS = (0, 1, 3, 5, 10)
"""Corrections after which the other images are segmented."""
RESULTS_FILE = "correction.json"
_TESTED = 3  # one in so many images of a class is never corrected


@dataclass(frozen=True)
class CorrectionCurve:
    """Mean IoU, 0..100, of the images that are never corrected, after each of `ROUNDS`."""

    class_name: str
    start: int
    choice: Choice
    ious: tuple[float, ...]


class _Shown(NamedTuple):
    """An image that shows the class: its features F (1, C, h, w), its truth (H, W) as labels, and its example."""

    image: PreprocessedImage
    features: Tensor
    truth: NDArray[np.uint8]
    example: ClassExample


@torch.inference_mode()
def simulate(
    segmenter: Segmenter, reader: DatasetReader, config: CorrectionConfig, report: Callable[[str], object]
) -> list[CorrectionCurve]:
    """Run the simulated user on every class that enough images show.

    report: called with the name of each class that is done. DataError where no class has enough images.
    """
    curves = []
    for number, places in _find_classes(reader, config).items():
        name = reader.class_names[number - 1]
        rng = np.random.default_rng((config.seed, number))
        chosen = [places[i] for i in rng.permutation(len(places))[: config.at_most]]
        shown = [_show(segmenter, reader, place, number) for place in chosen]
        for start in range(config.starts):
            order = rng.permutation(len(shown))
            n_tested = len(shown) // _TESTED
            tested, first, pool = order[:n_tested], order[n_tested], order[n_tested + 1 :]
            for choice in get_args(Choice):
                user = _User(segmenter, name, [shown[i] for i in tested])
                ious = user.correct(shown[first], [shown[i] for i in pool], choice)
                curves.append(CorrectionCurve(name, start, choice, ious))
        report(name)
    return curves


class _User:
    """A simulated user of one class."""

    def __init__(self, segmenter: Segmenter, name: str, tested: Sequence[_Shown]) -> None:
        self.segmenter, self.tested = segmenter, tested
        self.blank = blank_class(segmenter.network, name, name, segmenter.model)

    def correct(self, first: _Shown, pool: list[_Shown], choice: Choice) -> tuple[float, ...]:
        """The curve of one run, which begins with the example ``first``. The pool is in a random order."""
        examples, ious = [first.example], []
        for done in range(max(ROUNDS) + 1):
            if done in ROUNDS:
                found = self._segment(examples, self.tested)
                ious.append(float(np.mean([_iou(f, shown.truth) for f, shown in zip(found, self.tested, strict=True)])))
            if pool and done < max(ROUNDS):
                examples.append(pool.pop(self._next(examples, pool, choice)).example)
        return tuple(ious)

    def _next(self, examples: Sequence[ClassExample], pool: Sequence[_Shown], choice: Choice) -> int:
        if choice == "random":
            return 0
        return most_uncertain_first([uncertainty(found) for found in self._segment(examples, pool)])[0]

    def _segment(self, examples: Sequence[ClassExample], images: Sequence[_Shown]) -> list[Segmentation]:
        segmenter = self.segmenter
        decision = segmenter.network.config.decision
        batch = build_class_batch(segmenter.network, [with_examples(self.blank, examples, decision, None)], None)
        scoring = Scoring(
            segmenter.network, segmenter.preprocessing.longest_side, segmenter.precision, refine=segmenter.refine
        )
        return [
            to_segmentation(
                shown.image,
                scoring.match(shown.features[0], shown.image.image, batch),
                batch,
                decision.background,
            )
            for shown in images
        ]


Place = tuple[ImageSet, str]


def _find_classes(reader: DatasetReader, config: CorrectionConfig) -> dict[int, list[Place]]:
    """The classes that enough images show, and these images. DataError where there is none."""
    places: dict[int, list[Place]] = {number: [] for number in range(1, len(reader.class_names) + 1)}
    for image_set in reader.image_sets:
        for identifier in reader.identifiers(image_set):
            labels = reader.labels(image_set, identifier)
            numbers, areas = np.unique(labels[labels > 0], return_counts=True)
            for number, area in zip(numbers.tolist(), areas.tolist(), strict=True):
                if area >= config.min_pixels and area < labels.size:
                    places[number].append((image_set, identifier))
    found = {number: shown for number, shown in places.items() if len(shown) >= config.at_least}
    if not found:
        raise DataError(f"No class is shown by {config.at_least} images of {reader.root}; give a lower --at-least.")
    return found


def _show(segmenter: Segmenter, reader: DatasetReader, place: Place, number: int) -> _Shown:
    """Read and encode an image in one piece, at working size."""
    original, labels = read_image(reader.image_path(*place)), reader.labels(*place)
    resized = resize_to(original, segmenter.preprocessing.longest_side).to(segmenter.device)
    truth = np.where(labels == UNLABELLED, IGNORE_INDEX, labels == number).astype(np.uint8)
    mask = torch.from_numpy(truth)[None, None].float()
    mask = torch.nn.functional.interpolate(mask, size=resized.shape[-2:], mode="nearest-exact")[0, 0].to(torch.uint8)
    encoded = encode_support(segmenter.network, Support(resized, mask.to(segmenter.device), ""))
    example = pool_example(segmenter.network, encoded, reader.class_names[number - 1], None)
    size = (original.shape[1], original.shape[2])
    return _Shown(PreprocessedImage(resized, size), encoded.features[:, 0], truth, example)


def _iou(found: Segmentation, truth: NDArray[np.uint8]) -> float:
    """The IoU of a mask in percent, without the pixels that are not labelled."""
    counted, masked, there = truth != IGNORE_INDEX, found.mask == 1, truth == 1
    return 100 * mask_iou(masked & counted, there)


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
