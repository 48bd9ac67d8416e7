"""What a `Segmenter` answers for an image, from coarse scores to masks at the image's own size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

_STRIP = 2**22  # scores that are held at an image's own size at a time


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One image segmented; masks and scores are made when they are asked for.

    size: H, W of the image. worked_at: its size in the network. odds (n, h, w): the log-odds of each class against
    its background on a grid over the image. presence: the probability that each class is there at all. absent: which
    are less probable than the threshold, and so are in no mask. background: odds that a class must exceed at a pixel.
    """

    size: tuple[int, int]
    worked_at: tuple[int, int]
    classes: tuple[str, ...]
    odds: Tensor
    presence: tuple[float, ...]
    absent: tuple[bool, ...]
    background: float = 0.0

    def at(self, threshold: float) -> Segmentation:
        """The same scores at another threshold, 0..1."""
        return replace(self, background=float(torch.tensor(threshold, dtype=torch.float64).logit()))

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """(H, W): i + 1 for classes[i], the most probable class that is there; 0 where it is below the background."""
        mask = torch.zeros(self.size, dtype=torch.uint8)
        there = [i for i, gone in enumerate(self.absent) if not gone]
        if not there:
            return mask.numpy()
        odds, numbers = self._worked[there], torch.tensor(there, dtype=torch.uint8) + 1
        rows = max(1, _STRIP // (len(there) * self.size[1]))
        for top in range(0, self.size[0], rows):
            best, winner = rows_at_size(odds, self.size, range(top, min(top + rows, self.size[0]))).max(dim=0)
            mask[top : top + rows] = torch.where(best > self.background, numbers[winner], 0)
        return mask.numpy()

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """(n, H, W): the probability of each class against its background, whether it is called absent or not."""
        scores: NDArray[np.float32] = rows_at_size(self._worked, self.size, range(self.size[0])).sigmoid().numpy()
        return scores

    @property
    def found(self) -> tuple[str, ...]:
        """The classes that have a pixel in the mask."""
        return tuple(name for i, name in enumerate(self.classes) if (self.mask == i + 1).any())

    @cached_property
    def uncertainties(self) -> tuple[float, ...]:
        """How little each class's answer can be trusted, 0..1 (our choice).

        Of a class with a mask, one minus the IoU to expect if its probabilities are true; of one without, the
        probability that it is there.
        """
        probability = (self.odds - self.background).sigmoid()
        there = torch.tensor([not gone for gone in self.absent])
        best, winner = torch.where(there[:, None, None], probability, 0).max(dim=0)
        masks = (winner == torch.arange(len(probability))[:, None, None]) & (best > 0.5)  # (n, h, w)
        expected = (probability * masks).sum(dim=(1, 2)) / torch.maximum(probability, masks).sum(dim=(1, 2))
        uncertainties = torch.where(masks.any(dim=2).any(dim=1), 1 - expected, torch.tensor(self.presence))
        return tuple(uncertainties.tolist())

    @property
    def uncertainty(self) -> float:
        """Of the image: the worst of its classes."""
        return max(self.uncertainties)

    @property
    def _worked(self) -> Tensor:
        """The odds at the size in the network, (n, h, w)."""
        return F.interpolate(self.odds[None], size=self.worked_at, mode="bilinear", align_corners=True)[0]


def rows_at_size(scores: Tensor, size: tuple[int, int], rows: range) -> Tensor:
    """Some rows of scores (n, h, w) brought to H, W, bilinear with align_corners=True: (n, len(rows), W).

    As `interpolate` of all of them, without holding all of them.
    """
    y = torch.arange(rows.start, rows.stop) * (scores.shape[1] - 1) / max(1, size[0] - 1)
    above = y.floor().long()
    below = (above + 1).clamp(max=scores.shape[1] - 1)
    share = (y - above)[None, :, None]
    lines = scores[:, above] * (1 - share) + scores[:, below] * share
    return F.interpolate(lines[None], size=(len(rows), size[1]), mode="bilinear", align_corners=True)[0]
