"""A simulated user who marks objects by clicks: how many an object takes.

The next click is in the middle of the largest connected error: the pixel farthest from its border, positive where the
object is missing. An object that does not reach the IoU counts as the most clicks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cdpnet.data.readers.coco import CocoReader
from cdpnet.data.readers.reader import ImageSet, check_label_size
from cdpnet.errors import DataError
from cdpnet.experiments.config import ClicksConfig
from cdpnet.inference.click_cues import Click
from cdpnet.inference.click_model import ClickModel
from cdpnet.inference.click_windows import Box, box_of
from cdpnet.inference.marking import Marking
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io import run_lengths
from cdpnet.io.image_tensors import read_image
from cdpnet.runtime.metrics import mask_iou
from cdpnet.runtime.provenance import provenance
from cdpnet.values import JSON

MOST_CLICKS = 20
GOAL = 0.85
"""The IoU that an object shall reach."""


@dataclass(frozen=True)
class MarkedObject:
    """An object, the IoU, 0..1, after each click until it is high enough, and that of the box around it alone."""

    image: str
    pixels: int
    ious: tuple[float, ...]
    box_iou: float

    @property
    def clicks(self) -> int:
        """The number of clicks that it took."""
        return next((i + 1 for i, iou in enumerate(self.ious) if iou >= GOAL), MOST_CLICKS)


class Target(NamedTuple):
    """An object (H, W) in an image, and what it begins from: a box around it, or a mask (H, W) that is corrected."""

    image_set: ImageSet
    identifier: str
    truth: NDArray[np.bool_]
    box: Box | None = None
    given: NDArray[np.bool_] | None = None


def next_click(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Click | None:
    """The click in the middle of the largest connected error of a mask (H, W); None where there is no error."""
    best: tuple[int, NDArray[np.bool_], bool] | None = None
    for error, positive in ((truth & ~found, True), (found & ~truth, False)):
        parts, count = ndimage.label(error)
        if count:
            sizes = np.bincount(parts.ravel())[1:]
            if best is None or sizes.max() > best[0]:
                best = int(sizes.max()), parts == sizes.argmax() + 1, positive
    if best is None:
        return None
    _, region, positive = best
    inside = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), region.shape)
    return Click(int(row), int(column), positive)


def mark(marking: Marking, truth: NDArray[np.bool_]) -> tuple[float, ...]:
    """The IoU after each click of the simulated user on one object (H, W), until it is high enough."""
    clicks: list[Click] = []
    ious: list[float] = []
    found = np.zeros_like(truth)
    while len(ious) < MOST_CLICKS and (not ious or ious[-1] < GOAL):
        click = next_click(found, truth)
        if click is None:
            break
        clicks.append(click)
        found = marking.mask(clicks) > 0
        ious.append(mask_iou(found, truth))
    return tuple(ious)


def measure(
    segmenter: Segmenter,
    reader: CocoReader,
    config: ClicksConfig,
    report: Callable[[int, int], object],
    model: ClickModel | None = None,
) -> list[MarkedObject]:
    """Mark objects of the images that nothing was fitted on. DataError where there is none.

    report: called with the number of objects marked so far and that of all.
    """
    objects, marked = draw_objects(reader, config, fitting=False), []
    for begun, target in begin_each(segmenter, objects, reader, model):
        by_box = mask_iou(begun.mask([], box_of(target.truth)) > 0, target.truth)
        pixels = int(target.truth.sum())
        marked.append(MarkedObject(target.identifier, pixels, mark(begun, target.truth), by_box))
        report(len(marked), len(objects))
    return marked


def half(reader: CocoReader, *, fitting: bool) -> list[tuple[ImageSet, str]]:
    """The images for fitting, or those that nothing is fitted on: every second one, in the order of the data set."""
    sets: list[ImageSet] = ["train", "val"]
    images = [(part, name) for part in sets if part in reader.files for name in reader.identifiers(part)]
    return images[0 if fitting else 1 :: 2]


def draw_objects(reader: CocoReader, config: ClicksConfig, *, fitting: bool) -> list[Target]:
    """The objects of one half of the images, in the order of the images. DataError where there is none."""
    objects = [
        Target(*image, truth)
        for image in half(reader, fitting=fitting)
        for found in reader.regions(*image)
        if not found.is_crowd
        and config.min_pixels <= (truth := run_lengths.decode(found.mask).view(np.bool_)).sum() < truth.size
    ]
    if not objects:
        raise DataError(f"No object in {reader.root} has {config.min_pixels} pixels; give a lower --min-pixels.")
    order = np.random.default_rng(config.seed).permutation(len(objects))[: config.objects]
    return [objects[i] for i in sorted(order.tolist())]


def begin_each(
    segmenter: Segmenter, objects: Sequence[Target], reader: CocoReader, model: ClickModel | None
) -> Iterator[tuple[Marking, Target]]:
    """The objects with their images, each of which is encoded once."""
    before: tuple[ImageSet, str] | None = None
    for target in objects:
        if target[:2] != before:
            before, path = target[:2], reader.image_path(*target[:2])
            begun = segmenter.begin(read_image(path), model)
            check_label_size(path, target.truth.shape, begun.size)
        yield begun, target


def clicks_json(marked: Sequence[MarkedObject], config: ClicksConfig, model: tuple[str, str]) -> dict[str, JSON]:
    """The measurement as plain values."""
    counts = [one.clicks for one in marked]
    return {
        "model": list(model),
        **provenance(),
        **asdict(config),
        "goal": GOAL,
        "mean clicks": float(np.mean(counts)),
        "median clicks": float(np.median(counts)),
        "mean IoU after each click": list(mean_ious(marked)),
        "mean IoU of the box alone": float(np.mean([one.box_iou for one in marked])),
        "marked": [{**asdict(one), "ious": list(one.ious)} for one in marked],
    }


def mean_ious(marked: Sequence[MarkedObject]) -> tuple[float, ...]:
    """The mean IoU after 1, 2, ... clicks; an object that is good enough stays as it is."""
    rows = [[one.ious[min(i, len(one.ious) - 1)] for i in range(MOST_CLICKS)] for one in marked]
    return tuple(np.mean(rows, axis=0).tolist())
