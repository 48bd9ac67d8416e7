"""Tiles cover an image, overlap, and come back together without a seam."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from cdpnet.inference.tiling import OVERLAP, TileBlend, crop_tile, tile_corners


@pytest.mark.parametrize("size", [(10, 10), (64, 64), (65, 64), (100, 333), (641, 64), (30, 500)])
def test_tiles_cover_and_overlap(size: tuple[int, int]) -> None:
    places = tile_corners(size, 64)
    seen = torch.zeros(size)
    for top, left in places:
        tile = seen[top : top + 64, left : left + 64]
        assert tile.shape == (min(64, size[0]), min(64, size[1]))
        tile += 1
    assert (seen > 0).all()
    for axis in (0, 1):
        starts = sorted({place[axis] for place in places})
        assert starts[-1] == max(0, size[axis] - 64)
        assert all(b - a <= 64 * (1 - OVERLAP) + 1 for a, b in pairwise(starts))


def test_the_fewest_tiles_by_hand() -> None:
    assert tile_corners((64, 112), 64) == [(0, 0), (0, 48)]
    assert tile_corners((64, 113), 64) == [(0, 0), (0, 24), (0, 49)]


def test_tiles_of_one_map_blend_into_it() -> None:
    whole = torch.randn(3, 90, 150, generator=torch.Generator().manual_seed(0))
    blend = TileBlend(3, (90, 150))
    for place in tile_corners((90, 150), 40):
        blend.add(crop_tile(whole, place, 40), place)
    torch.testing.assert_close(blend.mean(), whole)


def test_a_blend_equals_a_loop_over_pixels() -> None:
    """Weights are the distance to the tile's border, in each direction, up to a quarter of its side."""
    generator = torch.Generator().manual_seed(1)
    size, side = (9, 14), 8
    places = tile_corners(size, side)
    tiles = [torch.rand(1, side, side, generator=generator) for _ in places]
    blend = TileBlend(1, size)
    for tile, place in zip(tiles, places, strict=True):
        blend.add(tile, place)
    found = blend.mean()

    def weight(i: int) -> int:
        return min(i + 1, side - i, 2)

    for y in range(size[0]):
        for x in range(size[1]):
            total = share = 0.0
            for tile, (top, left) in zip(tiles, places, strict=True):
                if 0 <= y - top < side and 0 <= x - left < side:
                    w = weight(y - top) * weight(x - left)
                    total, share = total + w * float(tile[0, y - top, x - left]), share + w
            assert float(found[0, y, x]) == pytest.approx(total / share, abs=1e-5)
