"""Part 3 of the method: the cosine match and adaptive foreground-background matching (AFBM)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cdpnet.config import MatchingConfig
from cdpnet.network.keys import pool_keys
from cdpnet.network.outputs import Matches, Prototypes
from cdpnet.network.parts import match_nearest
from cdpnet.runtime.products import lay_out, on_cpu, products

_LEAST_NORM = 1e-8
_STRIPS = 4  # of a symmetric product; more strips save more of it, but small products are slow
_CHUNK_LOCATIONS = 2**12  # that are compared with a prototype each at a time
_CHUNK_ELEMENTS = 2**24  # of the attention matrix held at a time, 64 MiB in float32
_CHUNK_POOLED = 2**22  # of that with fewer keys: no product becomes slower, and freed blocks of this size are kept


def match(features: Tensor, background: Tensor, foreground: Tensor, temperature: float) -> Tensor:
    """The logits temperature * [cos(F, bg), cos(F, fg)].

    features (B, C, h, w); prototypes (B, C) -> (B, 2, h, w).
    """
    flat = features.flatten(2).transpose(1, 2)
    return _match(F.normalize(flat, dim=2), background[:, None], foreground[:, None], temperature, features.shape)


def _match(unit: Tensor, background: Tensor, foreground: Tensor, temperature: float, shape: torch.Size) -> Tensor:
    """As `match`, of features (B, N, C) of unit length; prototypes (B, 1, C), or (B, N, C), one at each location."""
    cosines = torch.stack([_cosine(unit, p) for p in (background, foreground)], dim=1)
    return (temperature * cosines).reshape(unit.shape[0], 2, *shape[2:])


def _cosine(unit: Tensor, prototype: Tensor) -> Tensor:
    """Unit features (B, N, C), prototypes (B, 1, C) or (B, N, C) -> (B, N)."""
    if prototype.shape[1] == 1:
        product = (unit @ prototype.transpose(1, 2))[:, :, 0]
    elif on_cpu(unit):  # in chunks, whose products stay in the caches
        chunks = (torch.split(each, _CHUNK_LOCATIONS, dim=1) for each in (unit, prototype))
        product = torch.cat([(some * others).sum(dim=2) for some, others in zip(*chunks, strict=True)], dim=1)
    else:  # einsum would copy both in another precision under autocast
        product = (unit * prototype).sum(dim=2)
    norm: Tensor = torch.linalg.vector_norm(prototype, dim=2)
    return product / norm.clamp(min=_LEAST_NORM)


def confident(probability: Tensor, threshold: float, fallback: int) -> Tensor:
    """Locations above the threshold; where an episode has none, its most probable ones: (B, N) -> (B, N) bool."""
    above = probability > threshold
    best = probability.topk(min(fallback, probability.shape[1]), dim=1).indices
    most_probable = torch.zeros_like(above).scatter(1, best, True)
    return above | (most_probable & ~above.any(dim=1, keepdim=True))


def mean_over(features: Tensor, chosen: Tensor) -> Tensor:
    """The mean feature of the chosen locations: (B, N, C), (B, N) bool -> (B, C)."""
    weights = chosen.to(features.dtype) / chosen.sum(dim=1, keepdim=True)
    return torch.einsum("bnc,bn->bc", features, weights)


class BackgroundAttention:
    """A background prototype for every location: a_i = sum over j in O_b of softmax_j(scale * cos(F_i, F_j)) * F_j.

    Constructed from features (B, N, C) and the same at unit length, and called with one set O_b (B, N) bool after the
    other. A call returns sums (B, N, C) and weights (B, N, 1), with a = sums / weights. A cosine is at most 1, so its
    exponential needs no shift, and a set that differs from the previous one in a few locations is computed from these
    alone. Locations are processed in chunks, so memory is linear in N. dtype: of the matrix products. pooled: height
    and width of the grid and the most keys it may be pooled to, see `pool_keys`; None for exact attention.
    """

    def __init__(
        self,
        features: Tensor,
        unit: Tensor,
        scale: float,
        dtype: torch.dtype | None = None,
        pooled: tuple[tuple[int, int], int] | None = None,
    ) -> None:
        self.features, self.keys, self.scale, self.pooled = features, unit.to(dtype or unit.dtype), scale, pooled
        nothing = features.new_zeros(1, 1, 1)
        self.before, self.sums, self.weights = nothing.to(self.keys.dtype), nothing, nothing  # of the last set

    def __call__(self, background: Tensor) -> tuple[Tensor, Tensor]:
        """O_b (B, N) bool -> sums (B, N, C), weights (B, N, 1)."""
        if self.pooled is not None:
            fewer = pool_keys(self.features, self.keys, background, *self.pooled)
            dtype = self.keys.dtype
            return self._attend(fewer.keys.to(dtype), fewer.features, fewer.counts.to(dtype))
        chosen = background[:, :, None].to(self.keys.dtype)
        if torch.compiler.is_exporting():  # an exported graph has no branches on values
            return _attend(self.keys, self.keys, (self.features * chosen).transpose(1, 2), chosen, self.scale)
        change = chosen - self.before
        changed = change.any(dim=0).flatten().nonzero().flatten()
        if 2 * len(changed) < len(change[0]):
            some, more = self._attend(self.keys[:, changed], self.features[:, changed], change[:, changed])
            self.sums, self.weights = self.sums + some, self.weights + more
        else:
            self.sums, self.weights = self._attend(self.keys, self.features, chosen)
        self.before = chosen
        return self.sums, self.weights

    def _attend(self, keys: Tensor, features: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
        """All locations over keys and features (B, n, C), signs (B, n, 1) -> sums (B, N, C), weights (B, N, 1)."""
        dtype = self.features.dtype
        values = lay_out((features.to(signs.dtype) * signs).transpose(1, 2))
        batch, n, _ = keys.shape
        at_most = _CHUNK_ELEMENTS if self.pooled is None else _CHUNK_POOLED
        chunk = max(1, at_most // (batch * max(1, n)))
        if keys is self.keys and chunk >= n and not torch.is_grad_enabled():
            weights = _gram(keys, self.scale).exp_()
            return products(weights, values).to(dtype), (weights @ signs).to(dtype)
        parts = []
        for queries in torch.split(self.keys, chunk, dim=1):
            if torch.is_grad_enabled():  # the graph must not hold N x N numbers: weights are recomputed
                parts.append(checkpoint(_attend, queries, keys, values, signs, self.scale, use_reentrant=False))
            else:
                parts.append(_attend(queries, keys, values, signs, self.scale))
        sums, weights = (torch.cat(part, dim=1).to(dtype) for part in zip(*parts, strict=True))
        return sums, weights


def _attend(queries: Tensor, keys: Tensor, values: Tensor, signs: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Queries (B, m, C) over keys (B, n, C), values (B, C, n), signs (B, n, 1) -> sums (B, m, C), weights (B, m, 1)."""
    weights = products(queries * scale, keys).exp_()
    return products(weights, values), weights @ signs


def _gram(keys: Tensor, scale: float) -> Tensor:
    """All products of keys with keys times scale, (B, N, C) -> (B, N, N); nearly half are copied, by symmetry."""
    batch, n, _ = keys.shape
    gram, step = keys.new_empty(batch, n, n), -(-n // _STRIPS)
    scaled, across = keys * scale, lay_out(keys)
    for start in range(0, n, step):
        stop = start + step
        strip = products(scaled[:, start:stop], across[:, start:])
        gram[:, start:stop, start:] = strip
        gram[:, stop:, start:stop] = strip[:, :, step:].transpose(1, 2)
    return gram


def adaptive_match(
    features: Tensor,
    prototypes: Prototypes,
    config: MatchingConfig,
    *,
    adaptive: bool,
    refinement: bool,
    dtype: torch.dtype | None = None,
) -> Matches:
    """The matches of a query's fused features (B, C, h, w) with the prototypes of its class.

    With parts, the output is the mean with the match of the nearest parts (our addition).
    dtype: of the attention's matrix products; by default that of the features.
    """
    shape, tau = features.shape, config.temperature
    flat = features.flatten(2).transpose(1, 2)  # (B, N, C), as in memory
    unit = F.normalize(flat, dim=2)
    fg, bg = prototypes.foreground[:, None], prototypes.background[:, None]
    initial = _match(unit, bg, fg, tau, shape)
    nearest = None if prototypes.parts is None else match_nearest(unit, prototypes.parts, tau).reshape(initial.shape)

    def with_nearest(logits: Tensor) -> Tensor:
        return logits if nearest is None else (logits + nearest) / 2

    if not adaptive:
        return Matches(initial, None, None, output=with_nearest(initial))
    attention = BackgroundAttention(flat, unit, config.attention_scale, dtype, config.pooled(shape))
    q_fg, shared, sums, gain = _query_prototypes(flat, attention, initial, config)
    fg1 = config.support_weight * fg + (1 - config.support_weight) * q_fg
    bg1 = torch.addcmul(shared, sums, gain)
    first = _match(unit, bg1, fg1, tau, shape)
    if not refinement:
        return Matches(initial, first, None, output=with_nearest(first))
    q_fg, shared, sums, gain = _query_prototypes(flat, attention, first, config)
    support, once, again = config.refinement_weights
    fg2 = config.support_weight * fg + (1 - config.support_weight) * q_fg
    fg2 = support * fg + once * fg1 + again * fg2
    shared = (support * bg + again * shared).to(sums.dtype)
    bg2 = torch.addcmul(shared, sums, again * gain).add_(bg1, alpha=once)
    second = _match(unit, bg2, fg2, tau, shape)
    output = config.refined_share * second + (1 - config.refined_share) * first
    return Matches(initial, first, second, with_nearest(output))


def _query_prototypes(
    features: Tensor, attention: BackgroundAttention, logits: Tensor, config: MatchingConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The query's own prototypes from a match (B, 2, h, w), of features (B, N, C).

    The foreground (B, 1, C); the background, at each location, is shared (B, 1, C) + sums (B, N, C) * gain (B, N, 1).
    """
    probability = logits.softmax(dim=1).flatten(2)
    certain_bg = confident(probability[:, 0], config.background_threshold, config.fallback_locations)
    certain_fg = confident(probability[:, 1], config.foreground_threshold, config.fallback_locations)
    share = config.shared_background_weight
    sums, weights = attention(certain_bg)
    foreground, shared = (mean_over(features, chosen)[:, None] for chosen in (certain_fg, certain_bg))
    return foreground, (share * shared).to(sums.dtype), sums, (1 - share) / weights
