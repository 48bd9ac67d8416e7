"""The method written once more, as slowly and plainly as method text reads: loops over episodes, shots and locations.

Nothing here is shared with the package, so an error would have to be made twice.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / max(float(a.norm() * b.norm()), 1e-8)


def pool(features: Tensor, indicator: Tensor) -> Tensor:
    """features (C, h, w), indicator (H, W) -> (C,)."""
    _, h, w = features.shape
    weights = F.interpolate(indicator[None, None].float(), size=(h, w), mode="bilinear", align_corners=True)[0, 0]
    total, mass = torch.zeros(features.shape[0]), 0.0
    for y in range(h):
        for x in range(w):
            total = total + features[:, y, x] * weights[y, x]
            mass += float(weights[y, x])
    return total / (mass + 1e-5)


def logits(features: Tensor, background: Tensor, foreground: Tensor) -> Tensor:
    """features (C, h, w), background (C,) or (C, h, w), foreground (C,) -> (2, h, w)."""
    _, h, w = features.shape
    result = torch.zeros(2, h, w)
    for y in range(h):
        for x in range(w):
            bg = background if background.ndim == 1 else background[:, y, x]
            result[0, y, x] = 10 * cosine(features[:, y, x], bg)
            result[1, y, x] = 10 * cosine(features[:, y, x], foreground)
    return result


def confident(probability: Tensor, threshold: float) -> list[int]:
    chosen = [i for i, p in enumerate(probability.tolist()) if p > threshold]
    if not chosen:
        chosen = sorted(range(len(probability)), key=lambda i: -float(probability[i]))[:12]
    return chosen


def query_prototypes(features: Tensor, match: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q_f (C,), q_b (C,), adaptive background (C, h, w)."""
    channels, h, w = features.shape
    probability = match.softmax(dim=0).reshape(2, -1)
    flat = features.reshape(channels, -1)
    of, ob = confident(probability[1], 0.7), confident(probability[0], 0.6)
    q_f = torch.stack([flat[:, j] for j in of]).mean(dim=0)
    q_b = torch.stack([flat[:, j] for j in ob]).mean(dim=0)
    adaptive = torch.zeros(channels, h * w)
    for i in range(h * w):
        weights = [math.exp(2 * float(cosine(flat[:, i], flat[:, j]))) for j in ob]
        for weight, j in zip(weights, ob, strict=True):
            adaptive[:, i] += weight / sum(weights) * flat[:, j]
    return q_f, q_b, adaptive.reshape(channels, h, w)


def ssp(supports: Tensor, masks: Tensor, query: Tensor, size: tuple[int, int], *, refine: bool = True) -> Tensor:
    """One episode: supports (K, C, h, w), masks (K, H, W), query (C, h, w) -> logits (2, H, W)."""
    fg = torch.stack([pool(s, m == 1) for s, m in zip(supports, masks, strict=True)]).mean(dim=0)
    bg = torch.stack([pool(s, m == 0) for s, m in zip(supports, masks, strict=True)]).mean(dim=0)
    return afbm(query, bg, fg, size, refine=refine)


def afbm(query: Tensor, bg: Tensor, fg: Tensor, size: tuple[int, int], *, refine: bool = True) -> Tensor:
    """Adaptive matching of one query (C, h, w) with prototypes (C,) -> logits (2, H, W)."""
    s0 = logits(query, bg, fg)
    q_f, q_b, a = query_prototypes(query, s0)
    fg1, bg1 = 0.5 * fg + 0.5 * q_f, 0.3 * q_b[:, None, None] + 0.7 * a
    s1 = logits(query, bg1, fg1)
    out = s1
    if refine:
        q_f, q_b, a = query_prototypes(query, s1)
        fg2 = 0.5 * fg + 0.5 * q_f
        bg2 = 0.3 * q_b[:, None, None] + 0.7 * a
        fg2 = 0.5 * fg + 0.2 * fg1 + 0.3 * fg2
        bg2 = 0.5 * bg[:, None, None] + 0.2 * bg1 + 0.3 * bg2
        out = 0.7 * logits(query, bg2, fg2) + 0.3 * s1
    return F.interpolate(out[None], size=size, mode="bilinear", align_corners=True)[0]
