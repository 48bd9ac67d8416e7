"""Large images in overlapping tiles, and maps of tiles blended into one map (our choice)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

OVERLAP = 0.25  # of a tile's side
Corner = tuple[int, int]


def tile_corners(size: tuple[int, int], side: int) -> list[Corner]:
    """Top left corners of the fewest tiles of ``side`` pixels, spread evenly, that cover an image of H, W pixels.

    Neighbours overlap by at least a quarter of a side. An image that is shorter than a tile has one row, or column.
    """
    return [(top, left) for top in _starts(size[0], side) for left in _starts(size[1], side)]


def crop_tile(image: Tensor, corner: Corner, side: int) -> Tensor:
    """One tile of an image (C, H, W) -> (C, h, w), h and w at most ``side``."""
    top, left = corner
    return image[:, top : top + side, left : left + side]


class TileBlend:
    """A map (n, H, W) from tiles, each weighted by the distance to its own border, so that no seam shows.

    Memory is that of the map, however many tiles there are.
    """

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        self.total = torch.zeros(channels, *size)
        self.weight = torch.zeros(size)

    def add(self, tile: Tensor, corner: Corner) -> None:
        """Add the map of a tile, (n, h, w), whose top left pixel is at ``corner``."""
        h, w = tile.shape[-2:]
        weight = torch.outer(_ramp(h), _ramp(w))
        area = (slice(corner[0], corner[0] + h), slice(corner[1], corner[1] + w))
        self.total[:, area[0], area[1]] += weight * tile
        self.weight[area] += weight

    def mean(self) -> Tensor:
        """The weighted mean of the tiles at every pixel, (n, H, W)."""
        return self.total / self.weight


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    step = side * (1 - OVERLAP)
    steps = math.ceil((length - side) / step)
    return [round(i * (length - side) / steps) for i in range(steps + 1)]


def _ramp(length: int) -> Tensor:
    """Distance to the nearer end in pixels, from 1, constant beyond the overlap of neighbours: (length,)."""
    i = torch.arange(length, dtype=torch.float32)
    return torch.minimum(i + 1, length - i).clamp(max=max(1.0, OVERLAP * length))
