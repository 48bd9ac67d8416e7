"""Masks from clicks: what the network has found in the images that are open is held, so that a click is quick."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdpnet.inference.marking import Marking
from cdpnet.inference.segmenter import Segmenter
from cdpnet.projects.document import ProjectImage
from cdpnet.web.pictures import Pictures

_MOST = 4  # markings that are held in memory


class ClickedPoint(NamedTuple):
    """A click at a row and column of the view, between pixels: on the object, or beside it."""

    row: float
    column: float
    positive: bool


class Markings:
    """The markings of the images that were opened last, at view size; one thread at a time uses it."""

    def __init__(self, segmenter: Segmenter, pictures: Pictures) -> None:
        self.segmenter, self.pictures = segmenter, pictures
        self._held: OrderedDict[str, Marking] = OrderedDict()

    def open(self, image: ProjectImage) -> Marking:
        """The marking of an image, made by the first call. DataError where the image cannot be read."""
        if image.id not in self._held:
            self._held[image.id] = self.segmenter.begin(self.pictures.view(image))
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        self._held.move_to_end(image.id)
        return self._held[image.id]

    def mask(
        self,
        image: ProjectImage,
        points: Sequence[ClickedPoint],
        box: tuple[float, float, float, float] | None,
        mask: NDArray[np.bool_] | None,
    ) -> NDArray[np.bool_]:
        """The mask (h, w) of the object that is clicked on, that lies in a box, or that a mask in progress has begun.

        DataError where the image cannot be read, for a click outside, and where no click is on the object.
        """
        marking = self.open(image)
        clicks = [(floor(point.row), floor(point.column), point.positive) for point in points]
        started = None if mask is None else mask.astype(np.uint8)
        return marking.mask(clicks, _whole_box(box, marking.size), started) > 0


def _whole_box(
    box: tuple[float, float, float, float] | None, size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """The pixels that a box touches: top, left, bottom, right, the last two not included."""
    if box is None:
        return None
    (top, left, bottom, right), (height, width) = box, size
    return max(0, floor(top)), max(0, floor(left)), min(height, ceil(bottom)), min(width, ceil(right))
