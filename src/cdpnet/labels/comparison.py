"""Compare labels with the truth: IoU of each class, in each image and in all, and which classes are confused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cdpnet.labels.labelled_folder import LabelledFolder
from cdpnet.labels.regions import ImageLabels


@dataclass(frozen=True, eq=False)
class ImageComparison:
    """Two labels of an image. confusion: pixels by class, truth in rows, (1 + classes, 1 + classes); 0 is no class."""

    truth: ImageLabels
    found: ImageLabels
    confusion: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of each class, (classes,), 0..1; NaN for one that neither has."""
        return class_iou(self.confusion)

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that one of the two has; 1 where neither has any."""
        known = self.iou[~np.isnan(self.iou)]
        return float(known.mean()) if known.size else 1.0

    @property
    def n_wrong(self) -> int:
        """The pixels that have another class than in the truth."""
        return int(self.confusion.sum() - self.confusion.trace())


@dataclass(frozen=True, eq=False)
class Comparison:
    """Labels of a folder against the truth.

    images: the worst first, of equal ones that with more wrong pixels. not_found: images of the truth without labels to
    compare; failed: images that cannot be compared, with the reason.
    """

    classes: tuple[str, ...]
    images: list[ImageComparison]
    not_found: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """The pixels of all images, as in `ImageComparison`."""
        size = len(self.classes) + 1
        return sum((image.confusion for image in self.images), np.zeros((size, size), np.int64))

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of each class over the pixels of all images, (classes,), 0..1; NaN for one that no image has."""
        return class_iou(self.confusion)

    @property
    def mean_iou(self) -> float:
        """Mean of the classes' IoU; NaN without any."""
        known = self.iou[~np.isnan(self.iou)]
        return float(known.mean()) if known.size else math.nan


def compare(truth: LabelledFolder, found: LabelledFolder, only: Sequence[str] = ()) -> Comparison:
    """Compare the labels of the images that the truth is about.

    only: the classes that are compared, as far as one of the two shows them; by default all of these.
    """
    shown = {*truth.shown_classes, *found.shown_classes}
    classes = tuple(name for name in only or dict.fromkeys([*truth.classes, *found.classes]) if name in shown)
    failed = {**{image: found.failed[image] for image in found.failed if image in truth.labels}, **truth.failed}
    images, not_found = [], []
    for name, expected in truth.labels.items():
        labels = found.labels.get(name)
        if labels is not None and labels.size != expected.size:
            failed[name] = f"the labels are of {_text(labels)} pixels, the truth of {_text(expected)}"
        elif labels is not None:
            images.append(ImageComparison(expected, labels, count_confusion(expected, labels, classes)))
        elif name not in failed:
            not_found.append(name)
    images.sort(key=lambda image: (image.mean_iou, -image.n_wrong, image.truth.image))
    return Comparison(classes, images, not_found, failed)


def count_confusion(truth: ImageLabels, found: ImageLabels, classes: Sequence[str]) -> NDArray[np.int64]:
    """Pixels by class, truth in rows and labels in columns, (1 + classes, 1 + classes); other classes count as none."""
    n = len(classes) + 1
    pairs = truth.only(classes).class_numbers(classes) * n + found.only(classes).class_numbers(classes)
    return np.bincount(pairs.ravel(), minlength=n * n).reshape(n, n)


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each class, (classes,), 0..1, from pixels by class; NaN for one that neither side has."""
    both = confusion.diagonal()
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    with np.errstate(invalid="ignore"):
        iou: NDArray[np.float64] = both / either
    return iou[1:]


def _text(labels: ImageLabels) -> str:
    return f"{labels.width} x {labels.height}"
