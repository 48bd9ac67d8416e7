"""Our addition to parts 2 and 3: several prototypes of each example, matched by the nearest of them.

The mean of an object is near none of its parts where these differ, and the mean of several examples even less. So
the locations of an example are grouped by k-means, foreground and background apart, and a location of the query is
compared with the nearest group of each. All numbers are our choice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

N_PARTS = 16  # of the foreground of an example, and of its background
_ROUNDS = 8
_FINER = 8  # points across a location at which a mask is looked up
_OBJECT, _BESIDE = 0.6, 0.1  # share of a location that the mask covers, above which and below which it is grouped


def part_prototypes(features: Tensor, masks: Tensor) -> Tensor:
    """The groups of K supports as unit vectors, background first: (B, K, C, h, w), (B, K, H, W) -> (B, 2, K * n, C).

    A mask is 1 on the object and 255 where it is ignored. Where no location is covered enough, the one covered most
    is taken. With fewer locations than groups some groups are the same.
    """
    b, k, c, h, w = features.shape
    unit = F.normalize(features.flatten(0, 1).flatten(2).transpose(1, 2), dim=2)  # (B * K, N, C)
    flat = masks.flatten(0, 1)
    covered, ignored = (_share(part, (h, w)) for part in (flat == 1, flat == 255))
    background = (covered < _BESIDE) & (ignored < _BESIDE)
    groups = _group(unit, _or_best(background, -covered)), _group(unit, _or_best(covered > _OBJECT, covered))
    return torch.stack([group.reshape(b, k * N_PARTS, c) for group in groups], dim=1)


def _share(region: Tensor, size: tuple[int, int]) -> Tensor:
    """The share of each location that a region covers: (M, H, W) bool -> (M, h * w)."""
    finer = F.interpolate(region[:, None].float(), size=(_FINER * size[0], _FINER * size[1]), mode="nearest")
    return F.avg_pool2d(finer, _FINER).flatten(1)


def _or_best(chosen: Tensor, rank: Tensor) -> Tensor:
    """The chosen locations, or the highest in rank where none is: (M, N) bool, (M, N) -> (M, N) bool."""
    best = torch.zeros_like(chosen).scatter(1, rank.argmax(dim=1, keepdim=True), True)
    return chosen | (best & ~chosen.any(dim=1, keepdim=True))


def _group(unit: Tensor, chosen: Tensor) -> Tensor:
    """Spherical k-means of the chosen locations: unit features (M, N, C), (M, N) bool -> unit vectors (M, n, C).

    It starts from the location most like the mean, and then the one least like all before: no random numbers.
    """
    weights = chosen.to(unit.dtype)
    like_mean = (unit * (weights[:, None] @ unit)).sum(dim=2)
    centres = _pick(unit, like_mean.masked_fill(~chosen, -torch.inf))
    while centres.shape[1] < N_PARTS:
        nearest = (unit @ centres.transpose(1, 2)).amax(dim=2)
        centres = torch.cat((centres, _pick(unit, (-nearest).masked_fill(~chosen, -torch.inf))), dim=1)
    numbers = torch.arange(N_PARTS, device=unit.device)
    for _ in range(_ROUNDS):
        group = (unit @ centres.transpose(1, 2)).argmax(dim=2, keepdim=True)
        members = (group == numbers) & chosen[:, :, None]  # (M, N, n)
        means = F.normalize(members.to(unit.dtype).transpose(1, 2) @ unit, dim=2)
        centres = torch.where(members.any(dim=1)[:, :, None], means, centres)
    return centres


def _pick(unit: Tensor, rank: Tensor) -> Tensor:
    """The feature of the location highest in rank: (M, N, C), (M, N) -> (M, 1, C)."""
    best = rank.argmax(dim=1)[:, None, None].expand(-1, 1, unit.shape[2])
    return unit.gather(1, best)


def match_nearest(unit: Tensor, parts: Tensor, temperature: float) -> Tensor:
    """The logits temperature * [cos(F, nearest background part), cos(F, nearest foreground part)].

    unit: features (B, N, C) of unit length; parts (B, 2, n, C) -> (B, 2, N).
    """
    return temperature * torch.einsum("btnc,bmc->btnm", parts, unit).amax(dim=2)
