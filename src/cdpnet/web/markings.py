"""Masks from clicks: what the network has found in the images that are open is held, so that a click is quick."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from cdpnet.inference.segmenter import Segmenter
from cdpnet.projects.document import ProjectImage
from cdpnet.web.pictures import Pictures

_MOST = 4  # markings that are held in memory


class Click(NamedTuple):
    """A click at a row and column of the view: on the object, or beside it."""

    row: float
    column: float
    positive: bool


class Marking:
    """A mask from colours around clicks."""

    def __init__(self, view: Image.Image) -> None:
        self.pixels = np.asarray(view).astype(np.float32)

    def mask(
        self, clicks: Sequence[Click], box: Sequence[float] | None, mask: NDArray[np.bool_] | None
    ) -> NDArray[np.bool_]:
        """The mask (h, w)."""
        h, w = self.pixels.shape[:2]
        found = np.zeros((h, w), np.bool_) if mask is None else mask.copy()
        distance = {True: np.full((h, w), 60.0), False: np.full((h, w), 60.0)}
        seeds = np.zeros((h, w), np.bool_)
        for row, column, positive in clicks:
            y, x = min(h - 1, int(row)), min(w - 1, int(column))
            colour = self.pixels[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].mean(axis=(0, 1))
            distance[positive] = np.minimum(distance[positive], np.linalg.norm(self.pixels - colour, axis=2))
            seeds[y, x] |= positive
        labels, _ = ndimage.label(distance[True] < distance[False])
        found |= np.isin(labels, labels[seeds & (labels > 0)])
        if box is not None:
            inside = np.zeros_like(found)
            inside[int(box[0]) : int(box[2]), int(box[1]) : int(box[3])] = True
            found = found & inside if clicks else inside
        return found


class Markings:
    """The markings of the images that were opened last; one thread at a time uses it."""

    def __init__(self, segmenter: Segmenter, pictures: Pictures) -> None:
        self.segmenter, self.pictures = segmenter, pictures
        self._held: OrderedDict[str, Marking] = OrderedDict()

    def open(self, image: ProjectImage) -> Marking:
        """The marking of an image, made by the first call. DataError where the image cannot be read."""
        if image.id not in self._held:
            self._held[image.id] = Marking(self.pictures.view(image))
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        self._held.move_to_end(image.id)
        return self._held[image.id]

    def mask(
        self,
        image: ProjectImage,
        clicks: Sequence[Click],
        box: Sequence[float] | None,
        mask: NDArray[np.bool_] | None,
    ) -> NDArray[np.bool_]:
        """The mask (h, w) at view size of the object that is clicked on. DataError where the image cannot be read."""
        return self.open(image).mask(clicks, box, mask)
