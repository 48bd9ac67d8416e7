"""Fewer keys for the adaptive background (our addition): the background's locations are pooled in blocks of the grid.

The attention of N locations over N grows with the fourth power of an image's side. Neighbours are alike, and the
exponential of a cosine is nearly linear over their differences, so the mean of a block stands for its locations.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class PooledKeys(NamedTuple):
    """Of the chosen locations in n blocks: mean unit features and mean features (B, n, C), and number (B, n, 1)."""

    keys: Tensor
    features: Tensor
    counts: Tensor


def block_size(size: tuple[int, int], most: int) -> tuple[int, int]:
    """The smallest block, square or nearly so, of which ``most`` cover a grid of this size (height, width)."""
    side = 1
    while True:
        for block in ((side, side), (side, side + 1) if size[1] > size[0] else (side + 1, side)):
            if -(-size[0] // block[0]) * -(-size[1] // block[1]) <= most:
                return block
        side += 1


def pool_keys(features: Tensor, unit: Tensor, chosen: Tensor, size: tuple[int, int], most: int) -> PooledKeys:
    """At most ``most`` blocks of the grid of ``size`` h, w: features and unit (B, N, C), chosen (B, N) bool, N = h * w.

    A block without a chosen location has a count of 0, and so no weight.
    """
    (height, width), weights = block_size(size, most), chosen[:, :, None].to(features.dtype)

    def total(values: Tensor) -> Tensor:
        batch, _, channels = values.shape
        grid = values.reshape(batch, *size, channels)
        if size[0] % height or size[1] % width:
            grid = F.pad(grid, (0, 0, 0, -size[1] % width, 0, -size[0] % height))
        rows = grid.reshape(batch, -1, height, grid.shape[2], channels).sum(dim=2)
        return rows.reshape(batch, rows.shape[1], -1, width, channels).sum(dim=3).flatten(1, 2)

    counts = total(weights)
    share = 1 / counts.clamp(min=1)
    return PooledKeys(total(unit * weights) * share, total(features * weights) * share, counts)
