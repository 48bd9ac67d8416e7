"""Counts -> mIoU and FB-IoU. Counts are pooled over a run, never averaged per image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.runtime.constants import IGNORE_INDEX


@dataclass
class SegmentationCounts:
    """Pixels counted over a run: for each class, intersection and union of the foreground and of the background.

    Shapes (classes, 2), column 0 background and column 1 foreground; episodes (classes,) int64.
    """

    n_classes: int
    intersection: Tensor = field(init=False)
    union: Tensor = field(init=False)
    episodes: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.intersection = torch.zeros(self.n_classes, 2, dtype=torch.int64)
        self.union = torch.zeros(self.n_classes, 2, dtype=torch.int64)
        self.episodes = torch.zeros(self.n_classes, dtype=torch.int64)

    def add(self, predicted: Tensor, truth: Tensor, class_ids: Tensor) -> None:
        """Count B queries: masks (B, H, W), truth with 255 ignored, and the class of each (B,)."""
        intersection, union = count_pixels(predicted.cpu(), truth.cpu())
        self.intersection.index_add_(0, class_ids, intersection)
        self.union.index_add_(0, class_ids, union)
        self.episodes.index_add_(0, class_ids, torch.ones_like(class_ids))

    def map(self, change: Callable[[Tensor], Tensor]) -> SegmentationCounts:
        """New counts, each tensor changed; the sum over processes is such a change."""
        changed = SegmentationCounts(self.n_classes)
        changed.intersection, changed.union = change(self.intersection), change(self.union)
        changed.episodes = change(self.episodes)
        return changed

    def __add__(self, other: SegmentationCounts) -> SegmentationCounts:
        """The counts of both runs together."""
        both = SegmentationCounts(self.n_classes)
        both.intersection, both.union = self.intersection + other.intersection, self.union + other.union
        both.episodes = self.episodes + other.episodes
        return both

    def iou(self) -> Tensor:
        """Foreground IoU of each class, (classes,), in 0..1; NaN for a class never drawn."""
        iou = self.intersection[:, 1] / self.union[:, 1].clamp(min=1)
        return torch.where(self.episodes > 0, iou, torch.nan)

    def miou(self, over: Tensor | None = None) -> float:
        """Mean foreground IoU, in percent, over the classes that were drawn (SSP's rule).

        over: the classes (n,) to take the mean over instead, one that was never drawn as 0 (HSNet's rule).
        """
        iou = self.iou()
        return float(100 * (iou.nanmean() if over is None else iou[over].nan_to_num(nan=0.0).mean()))

    def fb_iou(self) -> float:
        """Mean of the IoU of all background and of all foreground pixels, in percent (HSNet)."""
        return float(100 * (self.intersection.sum(dim=0) / self.union.sum(dim=0).clamp(min=1)).mean())


def foreground_iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """The foreground's IoU in each of B images, in 0..1; 0 where there is none: masks (B, H, W) -> (B,)."""
    intersection, union = count_pixels(predicted, truth)
    return intersection[:, 1] / union[:, 1].clamp(min=1)


def mask_iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The IoU of two masks (H, W), in 0..1; 1 where both are empty."""
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 1.0


def count_pixels(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection and union of background and foreground: masks (B, H, W) -> two tensors (B, 2) int64."""
    counted = truth != IGNORE_INDEX
    inter, union = [], []
    for side in (0, 1):
        p, t = (predicted == side) & counted, (truth == side) & counted
        inter.append((p & t).sum(dim=(1, 2)))
        union.append((p | t).sum(dim=(1, 2)))
    return torch.stack(inter, dim=1), torch.stack(union, dim=1)
