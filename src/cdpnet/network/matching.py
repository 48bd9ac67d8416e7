"""Part 3 of the method: the cosine match and adaptive foreground-background matching (AFBM)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cdpnet.config import MatchingConfig
from cdpnet.episode import Matches, Prototypes

_CHUNK_ELEMENTS = 2**24  # of the attention matrix held at a time, 64 MiB in float32


def match(features: Tensor, background: Tensor, foreground: Tensor, temperature: float) -> Tensor:
    """The logits temperature * [cos(F, bg), cos(F, fg)].

    features (B, C, h, w); prototypes (B, C), or (B, C, h, w) for one at each location -> (B, 2, h, w).
    """
    pair = [p[:, :, None, None] if p.ndim == 2 else p for p in (background, foreground)]
    return temperature * torch.stack([F.cosine_similarity(features, p, dim=1) for p in pair], dim=1)


def confident(probability: Tensor, threshold: float, fallback: int) -> Tensor:
    """Locations above the threshold; where an episode has none, its most probable ones: (B, N) -> (B, N) bool."""
    above = probability > threshold
    best = probability.topk(min(fallback, probability.shape[1]), dim=1).indices
    most_probable = torch.zeros_like(above).scatter(1, best, True)
    return torch.where(above.any(dim=1, keepdim=True), above, most_probable)


def mean_over(features: Tensor, chosen: Tensor) -> Tensor:
    """The mean feature of the chosen locations: (B, C, h, w), (B, N) bool -> (B, C)."""
    weights = chosen.to(features.dtype) / chosen.sum(dim=1, keepdim=True)
    return torch.einsum("bcn,bn->bc", features.flatten(2), weights)


class BackgroundAttention:
    """A background prototype for every location: a_i = sum over j in O_b of softmax_j(scale * cos(F_i, F_j)) * F_j.

    Made once from features (B, C, h, w), asked for any set O_b (B, N) bool -> (B, C, h, w). Queries go through in
    chunks, so memory is linear in N; where one chunk holds them all, its weights serve every set. A cosine is at most
    1, so its exponential needs no shift, and the mask can move from the scores to the values: one matrix product gives
    the weighted sum and, in an extra channel of ones, the sum of the weights.
    """

    def __init__(self, features: Tensor, scale: float) -> None:
        self.shape, self.scale = features.shape, scale
        self.flat = features.flatten(2)
        self.unit = F.normalize(self.flat, dim=1)
        batch, _, self.n = self.flat.shape
        self.chunk = max(1, _CHUNK_ELEMENTS // (batch * self.n))
        self.weights = _weights(self.unit, self.unit, scale) if self.chunk >= self.n else None

    def __call__(self, background: Tensor) -> Tensor:
        """O_b (B, N) bool -> (B, C, h, w)."""
        mask = background.to(self.flat.dtype)[:, None]
        values = torch.cat((self.flat * mask, mask), dim=1)
        if self.weights is not None:
            return _mean(values @ self.weights).reshape(self.shape)
        parts = []
        for queries in torch.split(self.unit, self.chunk, dim=2):
            if torch.is_grad_enabled():  # nor may the graph keep N x N: the weights are computed again
                parts.append(checkpoint(_attend, queries, self.unit, values, self.scale, use_reentrant=False))
            else:
                parts.append(_attend(queries, self.unit, values, self.scale))
        return torch.cat(parts, dim=2).reshape(self.shape)


def _weights(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """Queries (B, C, n), keys (B, C, N), of unit length -> (B, N, n)."""
    return torch.exp(scale * (keys.transpose(1, 2) @ queries))


def _attend(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Queries (B, C, n) over keys (B, C, N) and values (B, C + 1, N), the last channel the mask -> (B, C, n)."""
    return _mean(values @ _weights(queries, keys, scale))


def _mean(total: Tensor) -> Tensor:
    """Weighted sums with the sum of the weights behind them: (B, C + 1, n) -> (B, C, n)."""
    return total[:, :-1] / total[:, -1:]


def adaptive_match(
    features: Tensor, prototypes: Prototypes, config: MatchingConfig, *, adaptive: bool, refinement: bool
) -> Matches:
    """The matches of a query's fused features (B, C, h, w) with the prototypes of its class."""
    fg, bg = prototypes.foreground, prototypes.background
    initial = match(features, bg, fg, config.temperature)
    if not adaptive:
        return Matches(initial, None, None, output=initial)
    attention = BackgroundAttention(features, config.attention_scale)
    q_fg, q_bg = _query_prototypes(features, attention, initial, config)
    fg1 = config.support_weight * fg + (1 - config.support_weight) * q_fg
    bg1 = q_bg
    first = match(features, bg1, fg1, config.temperature)
    if not refinement:
        return Matches(initial, first, None, output=first)
    q_fg, q_bg = _query_prototypes(features, attention, first, config)
    support, once, again = config.refinement_weights
    fg2 = config.support_weight * fg + (1 - config.support_weight) * q_fg
    fg2 = support * fg + once * fg1 + again * fg2
    bg2 = support * bg[:, :, None, None] + once * bg1 + again * q_bg
    second = match(features, bg2, fg2, config.temperature)
    output = config.refined_share * second + (1 - config.refined_share) * first
    return Matches(initial, first, second, output)


def _query_prototypes(
    features: Tensor, attention: BackgroundAttention, logits: Tensor, config: MatchingConfig
) -> tuple[Tensor, Tensor]:
    """The query's own prototypes from a match (B, 2, h, w): foreground (B, C), background (B, C, h, w)."""
    probability = logits.softmax(dim=1).flatten(2)
    certain_bg = confident(probability[:, 0], config.background_threshold, config.fallback_locations)
    certain_fg = confident(probability[:, 1], config.foreground_threshold, config.fallback_locations)
    adaptive = attention(certain_bg)
    shared = mean_over(features, certain_bg)[:, :, None, None]
    share = config.shared_background_weight
    return mean_over(features, certain_fg), share * shared + (1 - share) * adaptive
