"""Fewer keys for the adaptive background (our addition): the background's locations are pooled in blocks of the grid.

The attention of N locations over N grows with the fourth power of an image's side. Neighbours are alike, and the
exponential of a cosine is nearly linear over their differences, so the mean of a block stands for its locations.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
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
    exact = torch.promote_types(features.dtype, torch.float32)  # bfloat16 cannot count beyond 256
    (height, width), weights = block_size(size, most), chosen.reshape(-1, *size, 1).to(exact)

    def total(values: Tensor) -> Tensor:
        """The sum of the chosen locations in each block, (B, N, c) -> (B, n, c), without a copy of all values."""
        grid = values.reshape(-1, *size, values.shape[2])
        rows = grid.new_zeros(grid.shape[0], -(-size[0] // height), *grid.shape[2:], dtype=weights.dtype)
        for y in range(height):
            part = grid[:, y::height]
            rows[:, : part.shape[1]].addcmul_(part, weights[:, y::height])
        blocks = rows.new_zeros(*rows.shape[:2], -(-size[1] // width), rows.shape[3])
        for x in range(width):
            part = rows[:, :, x::width]
            blocks[:, :, : part.shape[2]] += part
        return blocks.flatten(1, 2)

    counts = total(torch.ones_like(chosen[:, :, None], dtype=weights.dtype))
    share = 1 / counts.clamp(min=1)
    return PooledKeys(total(unit) * share, total(features) * share, counts)
