"""A simulated user who corrects results of the network by clicks.

A result is the mask of a class in an image, learned from one example in another image. The user clicks as in `clicks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from cdpnet.data.readers.coco import CocoReader
from cdpnet.experiments.clicks import Target, begin_each, half, next_click
from cdpnet.experiments.config import ClicksConfig
from cdpnet.experiments.shown_images import Place, ShownImages
from cdpnet.inference.click_cues import Click
from cdpnet.inference.click_model import ClickModel
from cdpnet.inference.learning import blank_class, with_examples
from cdpnet.inference.marking import Marking
from cdpnet.inference.segmenter import Segmenter
from cdpnet.runtime.constants import UNLABELLED
from cdpnet.runtime.metrics import mask_iou
from cdpnet.values import JSON

CORRECTING_CLICKS = 6
_LEAST_IOU, _MOST_IOU = 0.1, 0.9  # of a result that a person corrects; a worse one is marked anew


@dataclass(frozen=True)
class CorrectedResult:
    """A result and the IoU, 0..1, before and after each of the clicks that correct it."""

    image: str
    ious: tuple[float, ...]


def draw_corrections(segmenter: Segmenter, reader: CocoReader, config: ClicksConfig, *, fitting: bool) -> list[Target]:
    """Results for one half of the images that a person would correct, drawn at random, in the order of the images."""
    shown, rng = ShownImages(segmenter, reader), np.random.default_rng(config.seed)
    pairs = _pair(_find_classes(reader, config, fitting=fitting), rng)
    found = (_segment(shown, *pairs[i]) for i in rng.permutation(len(pairs)).tolist())
    wanted = islice((one for one in found if _is_to_correct(one)), config.objects)
    return sorted(wanted, key=lambda one: one[:2])


def _is_to_correct(target: Target) -> bool:
    assert target.given is not None
    return _LEAST_IOU <= mask_iou(target.given, target.truth) <= _MOST_IOU


def _find_classes(reader: CocoReader, config: ClicksConfig, *, fitting: bool) -> dict[int, list[Place]]:
    """The images of one half that show each class; images with crowds are left out, for they have no whole truth."""
    places: dict[int, list[Place]] = {}
    for place in half(reader, fitting=fitting):
        labels = reader.labels(*place)
        numbers, areas = np.unique(labels, return_counts=True)
        if UNLABELLED not in numbers:
            for number, area in zip(numbers.tolist(), areas.tolist(), strict=True):
                if number > 0 and config.min_pixels <= area < labels.size:
                    places.setdefault(number, []).append(place)
    return places


def _pair(places: dict[int, list[Place]], rng: np.random.Generator) -> list[tuple[Place, int, Place]]:
    """Each image with the number of a class and another image that shows it, the example."""
    pairs = []
    for number, images in places.items():
        for image in images:
            others = [other for other in images if other != image]
            if others:
                pairs.append((image, number, others[int(rng.integers(len(others)))]))
    return pairs


@torch.inference_mode()
def _segment(images: ShownImages, place: Place, number: int, example: Place) -> Target:
    """The result for an image, of a class that is learned from the example."""
    segmenter, name = images.segmenter, images.reader.class_names[number - 1]
    blank = blank_class(segmenter.network, name, name, segmenter.model)
    taught = images.show(example, number).example
    learned = with_examples(blank, [taught], segmenter.network.config.decision, None)
    shown = images.show(place, number)
    found: NDArray[np.bool_] = images.segment([learned], [shown])[0].mask == 1
    return Target(*place, shown.truth == 1, given=found)


def measure_corrections(
    segmenter: Segmenter,
    reader: CocoReader,
    config: ClicksConfig,
    report: Callable[[int, int], object],
    model: ClickModel | None = None,
) -> list[CorrectedResult]:
    """Correct results for the images that nothing was fitted on.

    report: called with the number of results corrected so far and that of all, which is known once they are drawn.
    """
    results, corrected = draw_corrections(segmenter, reader, config, fitting=False), []
    report(0, len(results))
    for begun, target in begin_each(segmenter, results, reader, model):
        corrected.append(CorrectedResult(target.identifier, correct(begun, target)))
        report(len(corrected), len(results))
    return corrected


def correct(marking: Marking, target: Target) -> tuple[float, ...]:
    """The IoU of a result before and after each click of the simulated user."""
    assert target.given is not None
    clicks: list[Click] = []
    found, ious = target.given, [mask_iou(target.given, target.truth)]
    while len(clicks) < CORRECTING_CLICKS and (click := next_click(found, target.truth)):
        clicks.append(click)
        found = marking.mask(clicks, mask=target.given.view(np.uint8)) > 0
        ious.append(mask_iou(found, target.truth))
    return tuple(ious) + (ious[-1],) * (CORRECTING_CLICKS + 1 - len(ious))


def mean_corrected(corrected: Sequence[CorrectedResult]) -> tuple[float, ...]:
    """The mean IoU before and after each click."""
    return tuple(np.mean([one.ious for one in corrected], axis=0).tolist())


def share_worse(corrected: Sequence[CorrectedResult]) -> float:
    """The share 0..1 of results that the first click makes worse."""
    return float(np.mean([one.ious[1] < one.ious[0] for one in corrected]))


def corrections_json(corrected: Sequence[CorrectedResult]) -> dict[str, JSON]:
    """The measurement as plain values; nothing where there was no result to correct."""
    if not corrected:
        return {}
    return {
        "mean IoU of results before and after each click": list(mean_corrected(corrected)),
        "share of results worse after the first click": share_worse(corrected),
        "corrected": [{"image": one.image, "ious": list(one.ious)} for one in corrected],
    }
