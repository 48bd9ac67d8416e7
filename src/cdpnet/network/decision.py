"""From logits to masks: the one place that decides to which class, if any, a pixel belongs.

Evaluation, calibration, `Segmenter`, bulk labelling and the exported ONNX graphs all call these functions. Competition
of classes by their log-odds and absence are our choice.
"""

from __future__ import annotations

import torch
from torch import Tensor


def log_odds(logits: Tensor) -> Tensor:
    """Logits of background and foreground (B, 2, H, W) -> log-odds of the foreground (B, H, W)."""
    return logits[:, 1] - logits[:, 0]


def is_absent(presence: Tensor, thresholds: Tensor) -> Tensor:
    """Which classes are called absent: those whose probability to be in the image is below their threshold.

    presence (..., n), thresholds (n,), both 0..1 -> (..., n) bool.
    """
    return presence < thresholds


def decide(log_odds: Tensor, absent: Tensor | None, background: float) -> Tensor:
    """The label of every pixel for which n classes compete.

    A pixel goes to the class with the highest log-odds against its own background, if these exceed ``background``;
    of equal ones the first class wins.

    log_odds: (..., n, H, W). absent: (..., n) bool, the classes that get no pixel; None if all classes compete.
    background: log-odds, 0 for a probability of one half. Returns (..., H, W) int64, 0 background, i + 1 class i.
    """
    if absent is not None:
        log_odds = log_odds.masked_fill(absent[..., None, None], -torch.inf)
    best, winner = log_odds.max(dim=-3)
    return torch.where(best > background, winner + 1, 0)
