"""Labels against the truth: IoU and confusion by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cdpnet.labels.comparison import class_iou, compare
from cdpnet.labels.labelled_folder import LabelledFolder
from cdpnet.labels.regions import ImageLabels, region_from_mask


def labels(image: str, *rows: str) -> ImageLabels:
    """An image of letters: c and d are classes."""
    pixels = np.array([list(row) for row in rows])
    regions = [region_from_mask(pixels == name, name) for name in "cd" if (pixels == name).any()]
    return ImageLabels(image, pixels.shape[0], pixels.shape[1], tuple(regions))


def folder(*images: ImageLabels, classes: tuple[str, ...] = ("c", "d")) -> LabelledFolder:
    return LabelledFolder("png", classes, {one.image: one for one in images})


def test_iou_and_confusion_by_hand() -> None:
    truth = folder(labels("a", "ccdd", "cc.."), labels("b", "....", "...c"), labels("e", "...."))
    found = folder(labels("a", "cddd", "cc.c"), labels("b", "...c", "...c"), labels("e", "...."))
    result = compare(truth, found)
    assert [image.truth.image for image in result.images] == ["b", "a", "e"]  # the worst first
    worst, second, empty = result.images
    assert worst.iou[0] == 1 / 2
    assert math.isnan(worst.iou[1])
    assert worst.mean_iou == 1 / 2
    assert second.iou.tolist() == [3 / 5, 2 / 3]
    assert empty.mean_iou == 1
    assert (worst.n_wrong, second.n_wrong, empty.n_wrong) == (1, 2, 0)
    assert second.confusion.tolist() == [[1, 1, 0], [0, 3, 1], [0, 0, 2]]
    assert result.iou.tolist() == [4 / 7, 2 / 3]  # of all pixels, not the mean of the images
    assert result.mean_iou == pytest.approx((4 / 7 + 2 / 3) / 2)


def test_what_cannot_be_compared_is_told() -> None:
    truth = folder(labels("a", "cc"), labels("b", "cc"), labels("d", "cc"))
    truth.failed["e"] = "The truth is broken."
    found = folder(labels("a", "cc"), labels("b", "ccc"), labels("more", "cc"), classes=("x",))
    found.failed["d"] = "It is broken."
    result = compare(truth, found)
    assert result.classes == ("c",)  # the others are in no image
    assert [image.truth.image for image in result.images] == ["a"]
    assert result.failed == {
        "b": "the labels are of 3 x 1 pixels, the truth of 2 x 1",
        "d": "It is broken.",
        "e": "The truth is broken.",
    }
    assert result.not_found == []
    assert compare(truth, folder()).not_found == ["a", "b", "d"]


def test_no_class_has_no_iou() -> None:
    assert np.isnan(class_iou(np.array([[5, 0], [0, 0]]))).all()
    assert math.isnan(compare(folder(), folder()).mean_iou)
