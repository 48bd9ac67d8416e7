"""What the optimizers of several trainings share (our choice)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn
from torch.optim.optimizer import ParamsT


def decay_matrices(parameters: Iterable[nn.Parameter], weight_decay: float) -> ParamsT:
    """Parameters in two groups: weight decay for matrices only."""
    parameters = list(parameters)
    matrices = [p for p in parameters if p.ndim >= 2]
    rest = [p for p in parameters if p.ndim < 2]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def warm_up(done: int, steps: int) -> float:
    """The factor on the learning rate after ``done`` steps: linear to 1 over ``steps``, 0 for none."""
    return min(1.0, (done + 1) / steps) if steps else 1.0


def half_cosine(share: float) -> float:
    """The factor on the learning rate after a share of the training, from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * share))
