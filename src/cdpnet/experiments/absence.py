"""What images without a class give that are named as such: fewer false masks, and masks that are lost.

A class is learned from one example. Images without it change its threshold of presence or its background prototypes;
others that were not named, with and without the class, are segmented. Everything is our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from cdpnet.data.readers.reader import DatasetReader
from cdpnet.errors import DataError
from cdpnet.experiments.config import CorrectionConfig
from cdpnet.experiments.shown_images import TESTED, ShownImage, ShownImages, iou_in_percent
from cdpnet.inference.class_examples import ClassExample
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.learning import blank_class, threshold_above, with_absence, with_examples
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import write_json
from cdpnet.network.decision import is_absent
from cdpnet.runtime.provenance import provenance
from cdpnet.runtime.text import counted
from cdpnet.values import JSON

Use = Literal["threshold", "either way", "background", "both"]
"""What the images without the class change.

threshold: that of presence, which only rises, as by `learn_absence`. either way: it may fall below the network's own.
background: the background prototypes. both: these, and the threshold rises.
"""
COUNTS = (0, 1, 3, 10)
"""Images without the class that are named."""
RESULTS_FILE = "absence.json"
_TESTED_WITHOUT = 20  # images without the class that are segmented


@dataclass(frozen=True)
class AbsenceCurve:
    """After each of `COUNTS`: percent of the images without the class that get a mask, and mean IoU of those with it.

    ious: 0..100; an image that shows the class and gets no mask counts 0.
    """

    class_name: str
    start: int
    use: Use
    false_masks: tuple[float, ...]
    ious: tuple[float, ...]


@torch.inference_mode()
def measure_absence(
    segmenter: Segmenter, reader: DatasetReader, config: CorrectionConfig, report: Callable[[str], object]
) -> list[AbsenceCurve]:
    """Measure every class that enough images show.

    report: called with the name of each class that is done. DataError where no class has enough images, or one has too
    few without it.
    """
    curves, images = [], ShownImages(segmenter, reader)
    for number, places in images.find_classes(config).items():
        name, others = reader.class_names[number - 1], images.find_absent(number, config.min_pixels)
        if len(others) <= max(COUNTS):
            found = f"{counted(len(others), 'image is', 'images are')} labelled and without the class {name!r}"
            raise DataError(f"{found}; {max(COUNTS) + 1} are needed, some to be named and others to be segmented.")
        rng = np.random.default_rng((config.seed, number))
        shown = [images.show(places[i], number) for i in rng.permutation(len(places))[: config.at_most]]
        drawn = rng.permutation(len(others))[: max(COUNTS) + _TESTED_WITHOUT]
        absent = [images.show(others[i], number) for i in drawn]
        blank = blank_class(segmenter.network, name, name, segmenter.model)
        for start in range(config.starts):
            order, order_absent = rng.permutation(len(shown)), rng.permutation(len(absent))
            n_tested = len(shown) // TESTED
            example = shown[order[n_tested]].example
            learned = with_examples(blank, [example], segmenter.network.config.decision, None)
            named = [absent[i] for i in order_absent[: max(COUNTS)]]
            tests = [shown[i] for i in order[:n_tested]], [absent[i] for i in order_absent[max(COUNTS) :]]
            figures = _Tests(images, *tests).measure(learned, named)
            curves += [AbsenceCurve(name, start, use, *zip(*figures[use], strict=True)) for use in get_args(Use)]
        report(name)
    return curves


class _Tests:
    """The images that are not named, with the class and without it."""

    def __init__(self, images: ShownImages, shown: Sequence[ShownImage], absent: Sequence[ShownImage]) -> None:
        self.images, self.shown, self.absent = images, shown, absent

    def measure(self, learned: ClassPrototype, named: Sequence[ShownImage]) -> dict[Use, list[tuple[float, float]]]:
        """False masks and mean IoU in percent after each of `COUNTS` of the named images, for each use of them."""
        decision = self.images.segmenter.network.config.decision
        figures: dict[Use, list[tuple[float, float]]] = {use: [] for use in get_args(Use)}
        found, presence = self._segment(learned), self._presence(learned, named)
        for count in COUNTS:
            if not count:
                untouched = self._figures(found, None)
                for of_use in figures.values():
                    of_use.append(untouched)
                continue
            some = presence[:count]
            figures["threshold"].append(self._figures(found, with_absence(learned, some, decision).min_presence))
            figures["either way"].append(self._figures(found, threshold_above(some)))
            joined = join_background(learned, [one.example for one in named[:count]])
            found_joined, some = self._segment(joined), self._presence(joined, named[:count])
            figures["background"].append(self._figures(found_joined, None))
            figures["both"].append(self._figures(found_joined, with_absence(joined, some, decision).min_presence))
        return figures

    def _segment(self, learned: ClassPrototype) -> tuple[list[Segmentation], list[Segmentation]]:
        return self.images.segment([learned], self.shown), self.images.segment([learned], self.absent)

    def _presence(self, learned: ClassPrototype, named: Sequence[ShownImage]) -> list[float]:
        return [found.presence[0] for found in self.images.segment([learned], named)]

    def _figures(
        self, found: tuple[list[Segmentation], list[Segmentation]], min_presence: float | None
    ) -> tuple[float, float]:
        """False masks and mean IoU in percent, at this threshold of presence or, with None, that of the results."""
        shown, absent = ([_at_threshold(one, min_presence) for one in part] for part in found)
        false = 100 * float(np.mean([bool((one.mask == 1).any()) for one in absent]))
        ious = [iou_in_percent(one, image.truth) for one, image in zip(shown, self.shown, strict=True)]
        return false, float(np.mean(ious))


def join_background(learned: ClassPrototype, absent: Sequence[ClassExample]) -> ClassPrototype:
    """The class with the background of other images among its background prototypes; its foreground stays.

    The mean takes them as it takes examples; their parts are added, and those of the foreground repeated to as many.
    """
    vectors = torch.stack([*[learned.background] * learned.shots, *(example.background for example in absent)])
    parts = learned.parts
    if parts is not None:
        added = [example.parts[0] for example in absent if example.parts is not None]
        background = torch.cat([parts[0], *added])
        parts = torch.stack([background, parts[1][torch.arange(len(background)) % parts.shape[1]]])
    return replace(learned, background=vectors.mean(dim=0), parts=parts)


def _at_threshold(found: Segmentation, min_presence: float | None) -> Segmentation:
    if min_presence is None:
        return found
    absent = is_absent(torch.tensor(found.presence), torch.tensor([min_presence]))
    return replace(found, absent=tuple(absent.tolist()))


def mean_absence(curves: Sequence[AbsenceCurve]) -> dict[Use, list[tuple[float, float]]]:
    """For each use and each of `COUNTS`, the means over starts and classes: false masks and IoU, in percent."""
    means: dict[Use, list[tuple[float, float]]] = {}
    for use in get_args(Use):
        own = [curve for curve in curves if curve.use == use]
        columns = [curve.false_masks for curve in own], [curve.ious for curve in own]
        false, ious = (np.mean(values, axis=0).tolist() for values in columns)
        means[use] = list(zip(false, ious, strict=True))
    return means


def write_absence(curves: Sequence[AbsenceCurve], config: CorrectionConfig, segmenter: Segmenter, out: Path) -> Path:
    """Write the curves, with their conditions, as JSON."""
    listed: list[JSON] = [{**asdict(c), "false_masks": list(c.false_masks), "ious": list(c.ious)} for c in curves]
    values: dict[str, JSON] = {
        "model": list(segmenter.model),
        "refine": segmenter.refine,
        **provenance(),
        "counts": list(COUNTS),
        **asdict(config),
        "curves": listed,
    }
    write_json(values, out / RESULTS_FILE)
    return out / RESULTS_FILE
