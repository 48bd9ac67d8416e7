"""Random numbers as a pure function of (seed, index), for whole batches at once.

A counter-based generator (the finaliser of SplitMix64) needs no state: number ``n`` of item ``index`` does not depend
on the items drawn before, on the batch, or on the device. So a scene or an episode is the same for any number of loader
workers (our choice).
"""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9
_MIX_2 = -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift; the one of torch keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _MIX_1
    x = (x ^ _shift(x, 27)) * _MIX_2
    return x ^ _shift(x, 31)


def keys(seed: int, index: Tensor, stream: int = 0) -> Tensor:
    """One key for each item: ``index`` (B,) int64 -> (B,) int64. The streams of an item are independent."""
    base = _mix(torch.tensor([seed], dtype=torch.int64, device=index.device) * _GOLDEN + stream)
    return _mix(base + _mix(index.to(torch.int64) + 1))


def uniform(key: Tensor, count: int) -> Tensor:
    """``count`` numbers in [0, 1) for each key: (B,) -> (B, count) float32."""
    counter = torch.arange(1, count + 1, dtype=torch.int64, device=key.device)
    bits = _shift(_mix(key[:, None] + counter * _GOLDEN), 40)
    return bits.to(torch.float32) * 2.0**-24


def between(u: Tensor, low: float, high: float) -> Tensor:
    """Scale uniform numbers from [0, 1) to [low, high); any shape."""
    return low + (high - low) * u


def pick(u: Tensor, count: int | Tensor) -> Tensor:
    """Uniform numbers in [0, 1) -> whole numbers 0..count-1, int64; any shape."""
    number = (u * count).to(torch.int64)
    return torch.minimum(number, torch.as_tensor(count, device=u.device) - 1)
