"""Where an image looks like a class name: the start for a class that nobody has marked yet (our addition)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.runtime.constants import IGNORE_INDEX

_FOREGROUND = 12  # most similar locations; SSP's number of fallback locations
_BACKGROUND = 0.8  # share of the locations, the least similar ones


def name_mask(features: Tensor, text: Tensor, first: int) -> Tensor:
    """A mask of each image by the name alone, as if its best locations had been marked.

    features: fused, F^m (B, C, h, w). text: u (B, C). first: the first of the channels in the space of names -> (B, h,
    w) uint8: 1 at the locations most similar to the name, 0 at the least similar ones, 255 between.
    """
    similarity = F.cosine_similarity(features[:, first:], text[:, first:, None, None], dim=1).flatten(1)
    order = similarity.argsort(dim=1, descending=True)
    count = similarity.shape[1]
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(count, device=order.device).expand_as(order))
    mask = torch.full_like(rank, IGNORE_INDEX)
    mask[rank >= count - round(_BACKGROUND * count)] = 0
    mask[rank < min(_FOREGROUND, -(-count // 2))] = 1
    return mask.to(torch.uint8).reshape(features.shape[0], *features.shape[-2:])
