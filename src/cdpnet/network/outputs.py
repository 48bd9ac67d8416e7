"""Results of the network: prototypes of classes, the matches with them, and the prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cdpnet.network.decision import decide, log_odds


class Prototypes(NamedTuple):
    """Prototypes of B classes.

    background, foreground: (B, C). text: the projected names u (B, C), zeros for a class without a name; None for a
    network that reads no names. parts: of background and foreground (B, 2, n, C), see `part_prototypes`; None for a
    network without them.
    """

    background: Tensor
    foreground: Tensor
    text: Tensor | None
    parts: Tensor | None = None

    @property
    def named(self) -> Tensor:
        """Which classes are known by a name, (B,) bool."""
        if self.text is None:
            return torch.zeros(self.foreground.shape[0], dtype=torch.bool, device=self.foreground.device)
        return self.text.abs().sum(dim=1) > 0

    def map(self, change: Callable[[Tensor], Tensor]) -> Prototypes:
        """The same classes with ``change`` applied to each of the tensors (B, ...)."""
        return Prototypes(*(None if part is None else change(part) for part in self))  # type: ignore[arg-type]


def mean_prototypes(shots: Sequence[Prototypes]) -> Prototypes:
    """The mean over shots, as the method takes it: each element holds the same B classes, learned from one shot.

    The parts of all shots are kept.
    """
    parts = [shot.parts for shot in shots if shot.parts is not None]
    return Prototypes(
        torch.stack([shot.background for shot in shots]).mean(dim=0),
        torch.stack([shot.foreground for shot in shots]).mean(dim=0),
        shots[0].text,
        torch.cat(parts, dim=2) if parts else None,
    )


def stack_prototypes(classes: Sequence[Prototypes]) -> Prototypes:
    """Classes learned separately as one batch; it has text prototypes, or parts, if each of them has.

    A class with fewer parts than another has its last more than once, which changes no match.
    """
    texts = [c.text for c in classes if c.text is not None]
    parts = [c.parts for c in classes if c.parts is not None]
    most = max((part.shape[2] for part in parts), default=0)
    repeated = [part[:, :, torch.arange(most).clamp(max=part.shape[2] - 1)] for part in parts]
    return Prototypes(
        torch.cat([c.background for c in classes]),
        torch.cat([c.foreground for c in classes]),
        torch.cat(texts) if len(texts) == len(classes) else None,
        torch.cat(repeated) if len(parts) == len(classes) else None,
    )


@dataclass(frozen=True)
class Matches:
    """The logits (B, 2, h, w) of each match, background first; None where a switch leaves it out."""

    initial: Tensor  # S0, support prototypes
    adaptive: Tensor | None  # S1, with the query's own prototypes
    refined: Tensor | None  # S2, once more
    output: Tensor  # their weighted mean, and the parts: the network's logits on the feature grid


@dataclass(frozen=True)
class Prediction:
    """The network's output, and the intermediate results that the loss needs.

    logits (B, 2, H, W) at the query's size, background first. query_features (B, C, h, w) and support_features
    (B, K, C, h, w) are the fused features F^m; support_features, which only the loss reads, is None without gradients
    and where the class was learned earlier. naming (B, K + 1, n + 1, h, w), supports first: the match of every location
    with n names and, last, the background; None unless the batch has a vocabulary.
    """

    logits: Tensor
    matches: Matches
    prototypes: Prototypes
    query_features: Tensor
    support_features: Tensor | None = None
    naming: Tensor | None = None

    @property
    def masks(self) -> Tensor:
        """The predicted masks, (B, H, W) int64, 0 or 1."""
        return decide(log_odds(self.logits)[:, None], absent=None, background=0.0)

    @property
    def scores(self) -> Tensor:
        """The probability of the foreground, (B, H, W)."""
        return self.logits.softmax(dim=1)[:, 1]
