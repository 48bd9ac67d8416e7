"""The result of a `Segmenter` for one image: from coarse scores to masks at the image's original size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.io.images import LARGE_PIXELS
from cdpnet.network.decision import decide
from cdpnet.runtime.memory import return_freed_memory
from cdpnet.values import check_probability

_STRIP = 2**20  # scores that are held at an image's original size at a time


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One segmented image; masks and scores are computed on first access.

    size: H, W of the image. working_size: its size in the network. log_odds (n, h, w): of each class against its
    background, on the feature grid. presence: the probability that each class is in the image, 0..1. absent: which
    classes are below their presence threshold, and so have no pixel. background: log-odds that a class must exceed at
    a pixel.
    """

    size: tuple[int, int]
    working_size: tuple[int, int]
    classes: tuple[str, ...]
    log_odds: Tensor
    presence: tuple[float, ...]
    absent: tuple[bool, ...]
    background: float = 0.0

    def at(self, threshold: float) -> Segmentation:
        """The same scores with another threshold of the probability at a pixel. DataError where it is outside 0..1."""
        check_probability("threshold", threshold)
        return replace(self, background=float(torch.tensor(threshold, dtype=torch.float64).logit()))

    def only(self, kept: Sequence[int]) -> Segmentation:
        """The same scores of some of the classes, by their places in ``classes``; the others get no pixel."""
        return replace(
            self,
            classes=tuple(self.classes[i] for i in kept),
            log_odds=self.log_odds[list(kept)],
            presence=tuple(self.presence[i] for i in kept),
            absent=tuple(self.absent[i] for i in kept),
        )

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """(H, W): i + 1 for classes[i], the most probable class that is not absent; 0 for background."""
        mask = torch.zeros(self.size, dtype=torch.uint8)
        competing = [i for i, absent in enumerate(self.absent) if not absent]
        if not competing:
            return mask.numpy()
        log_odds = self._at_working_size[competing]
        labels = torch.tensor([0, *(i + 1 for i in competing)], dtype=torch.uint8)
        rows = max(1, _STRIP // (len(competing) * self.size[1]))
        for top in range(0, self.size[0], rows):
            strip = resize_rows(log_odds, self.size, range(top, min(top + rows, self.size[0])))
            mask[top : top + rows] = labels[decide(strip, None, self.background)]
        if mask.numel() > LARGE_PIXELS:
            return_freed_memory()  # before copies of the mask are made
        return mask.numpy()

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """(n, H, W): the probability of each class against its background, absent or not, 0..1."""
        log_odds = resize_rows(self._at_working_size, self.size, range(self.size[0]))
        scores: NDArray[np.float32] = log_odds.sigmoid().numpy()
        return scores

    @property
    def found(self) -> tuple[str, ...]:
        """The classes that have a pixel in the mask."""
        return tuple(name for i, name in enumerate(self.classes) if (self.mask == i + 1).any())

    @cached_property
    def uncertainties(self) -> tuple[float, ...]:
        """The uncertainty of the result for each class, 0..1 (our choice).

        For a class with a mask, one minus the IoU to expect if its probabilities are true; for a class without, the
        probability that it is in the image.
        """
        probability = (self.log_odds - self.background).sigmoid()
        labels = decide(self.log_odds, torch.tensor(self.absent), self.background)
        masks = labels == torch.arange(1, len(probability) + 1)[:, None, None]  # (n, h, w)
        expected_iou = (probability * masks).sum(dim=(1, 2)) / torch.maximum(probability, masks).sum(dim=(1, 2))
        has_mask = masks.any(dim=2).any(dim=1)
        return tuple(torch.where(has_mask, 1 - expected_iou, torch.tensor(self.presence)).tolist())

    @property
    def uncertainty(self) -> float:
        """The uncertainty of the image, 0..1: the highest of its classes."""
        return max(self.uncertainties)

    @property
    def _at_working_size(self) -> Tensor:
        """The log-odds at the size in the network, (n, h, w)."""
        return F.interpolate(self.log_odds[None], size=self.working_size, mode="bilinear", align_corners=True)[0]


def resize_rows(scores: Tensor, size: tuple[int, int], rows: range) -> Tensor:
    """Some rows of scores (n, h, w) resized to H, W, bilinear with align_corners=True: (n, len(rows), W).

    The same as these rows of `interpolate`, without the memory of all rows.
    """
    y = torch.arange(rows.start, rows.stop) * (scores.shape[1] - 1) / max(1, size[0] - 1)
    above = y.floor().long()
    below = (above + 1).clamp(max=scores.shape[1] - 1)
    share = (y - above)[None, :, None]
    lines = scores[:, above] * (1 - share) + scores[:, below] * share
    return F.interpolate(lines[None], size=(len(rows), size[1]), mode="bilinear", align_corners=True)[0]
