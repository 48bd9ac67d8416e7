"""Our addition to part 3: locations of the query that look alike share their answer.

Where a part of an object matches and the rest does not, the rest is like that part. So the logits of each location
become the mean over all locations of the image, weighted by the similarity of the visual features less their mean.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import MatchingConfig
from cdpnet.network.matching import BackgroundAttention

_SCALE = 8.0  # of the cosine in the softmax; our choice


def spread(logits: Tensor, features: Tensor, config: MatchingConfig, dtype: torch.dtype | None = None) -> Tensor:
    """The mean of logits (B, 2, h, w) over locations with like visual features (B, C, h, w), in the same shape.

    dtype: of the matrix products; by default that of the features. Memory is linear in the number of locations.
    """
    centred = features - features.mean(dim=(2, 3), keepdim=True)
    unit = F.normalize(centred.flatten(2).transpose(1, 2), dim=2)
    values = logits.flatten(2).transpose(1, 2)
    attention = BackgroundAttention(values, unit, _SCALE, dtype, config.pooled(features.shape))
    sums, weights = attention(torch.ones(unit.shape[:2], dtype=torch.bool, device=unit.device))
    return (sums / weights).transpose(1, 2).reshape(logits.shape).to(logits.dtype)
