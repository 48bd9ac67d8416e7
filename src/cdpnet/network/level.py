"""Our addition to part 3: every image has its own level of the log-odds at which its mask is cut.

The log-odds order the locations of an image well, but large objects come out too small and small ones too large. So the
masks of several levels are compared by what they are like, whatever the class: how well they part the log-odds, how
much features change across their outline, how long it is. A linear function of this, fitted on photographs by `cdpnet
levels`, says how good each mask is; the level is a part of the mean of all levels, weighted by its exponential.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import LevelConfig
from cdpnet.network.decision import log_odds

LEVELS = tuple(i / 4 for i in range(-4, 5))  # log-odds
_STRENGTH = 0.7  # of the mean level: all of it is best with one example of a class, less with several
_LEAST = 1e-3  # added to an area or a variance before its logarithm is taken
_LEAST_CONTRAST = 0.1


def at_own_level(logits: Tensor, features: Tensor, config: LevelConfig) -> Tensor:
    """Logits (B, 2, h, w), background first, with 0 as the level of the log-odds; features as `mask_level`."""
    level = mask_level(log_odds(logits), features, config).to(logits.dtype)
    return torch.stack((logits[:, 0] + level[:, None, None], logits[:, 1]), dim=1)


def mask_level(odds: Tensor, features: Tensor, config: LevelConfig) -> Tensor:
    """The level (B,) of log-odds (B, h, w) of locations with visual features (B, C, h, w). Nothing is trained by it."""
    with torch.no_grad():
        weights = odds.new_tensor(dataclasses.astuple(config), dtype=torch.float32)
        return mean_level(mask_statistics(odds, features) @ weights)


def mean_level(scores: Tensor) -> Tensor:
    """The level of images with a score for each of `LEVELS`, (B, levels) -> (B,)."""
    weights = scores.softmax(dim=1)
    return _STRENGTH * (weights @ weights.new_tensor(LEVELS))


def mask_statistics(odds: Tensor, features: Tensor) -> Tensor:
    """What the mask of each level is like, (B, levels, n), in the order of `LevelConfig`. Arguments as `mask_level`."""
    odds, levels = odds.float()[:, None], odds.new_tensor(LEVELS, dtype=torch.float32)
    masks = (odds > levels[:, None, None]).float()  # (B, levels, h, w)
    area = masks.mean(dim=(2, 3))
    difference = _mean_inside(odds, masks) - _mean_inside(odds, 1 - masks)
    change, length = _along_outline(masks, features.float())
    columns = (
        (area * (1 - area) * difference.square() + _LEAST).log(),
        (change + _LEAST_CONTRAST).log(),
        length / (area + _LEAST).sqrt(),
        _border_share(masks),
        levels.expand_as(area),
        levels.abs().expand_as(area),
    )
    return torch.stack(columns, dim=2)


def _mean_inside(values: Tensor, masks: Tensor) -> Tensor:
    """The mean of values (B, 1, h, w) in each of the masks (B, levels, h, w), 0 in an empty one."""
    return (values * masks).sum(dim=(2, 3)) / masks.sum(dim=(2, 3)).clamp(min=1)


def _along_outline(masks: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """How much features change across the outlines of masks, and the length of these, (B, levels) each.

    The change of features, less their mean and of unit length, between neighbours is in units of its mean over the
    image. A length is in sides of a square of the image's area.
    """
    unit = F.normalize(features - features.mean(dim=(2, 3), keepdim=True), dim=1)
    down, right = (unit.diff(dim=axis).norm(dim=1)[:, None] for axis in (2, 3))
    crossed_down, crossed_right = (masks.diff(dim=axis).abs() for axis in (2, 3))
    pairs = max(1, down[0].numel() + right[0].numel())
    mean = (down.sum(dim=(2, 3)) + right.sum(dim=(2, 3))) / pairs
    crossed = crossed_down.sum(dim=(2, 3)) + crossed_right.sum(dim=(2, 3))
    change = (crossed_down * down).sum(dim=(2, 3)) + (crossed_right * right).sum(dim=(2, 3))
    side = (masks.shape[2] * masks.shape[3]) ** 0.5
    return change / crossed.clamp(min=1) / mean.clamp(min=1e-6), crossed / side


def _border_share(masks: Tensor) -> Tensor:
    """The share of the image's border that is in each mask, (B, levels, h, w) -> (B, levels)."""
    h, w = masks.shape[2:]
    border = masks.new_ones(h, w)
    border[1 : h - 1, 1 : w - 1] = 0
    return (masks * border).sum(dim=(2, 3)) / border.sum()
