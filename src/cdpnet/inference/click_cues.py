"""What clicks say about every location of an image: distances along the image, in its plane, in colour and features.

A distance along the image (geodesic) is the least sum of the changes of colour, features and details on a path between
two locations, so it is short inside a region and long across its edges. Every number is our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from cdpnet.inference.click_grid import LEVELS, ClickGrid

_SOFT = 1e-2  # added to a distance before its logarithm is taken
_FAR = 2.0  # the distance to clicks where there are none, and the longest
_UNLIKE = -1.0
_NARROW, _WIDE = 48, 19  # the radius of the means is the longer side divided by these
_MOST_COUNTED = 20  # clicks
_OUTLINE = 0.1  # cost of leaving the mask in progress on a path from the latest click
_REACH, _REACH_OF_LATEST = 20, 10  # of a click, in lengths of the image along it: one divided by these
_SPREAD, _LEAST_SHARE = 0.7, 1e-3  # of a histogram: in levels, and of all


class Click(NamedTuple):
    """A pixel of the image, counted from the top left, that is on the object (positive) or beside it."""

    row: int
    column: int
    positive: bool = True


class Nearest(NamedTuple):
    """Maps (h, w) of the nearest click of one kind: along the image, in the plane, in colour; and of the most alike.

    alike is of the features, alike_detail of the details.
    """

    along: Tensor
    away: Tensor
    colour: Tensor
    alike: Tensor
    alike_detail: Tensor


class Latest(NamedTuple):
    """The latest click: 1 or -1, maps (h, w) of the distance to it along the image and the mask, and in the plane.

    there, before: the mask in progress that it corrects, at the click from -1 to 1, and as log-odds (h, w).
    """

    sign: float
    within: Tensor
    away: Tensor
    there: float
    before: Tensor


def nothing(grid: ClickGrid) -> Nearest:
    """The maps without a click."""
    far, unlike = torch.full(grid.size, _FAR), torch.full(grid.size, _UNLIKE)
    return Nearest(far, far, far, unlike, unlike)


def add_click(grid: ClickGrid, nearest: Nearest, row: int, column: int) -> Nearest:
    """The maps with one click more, at a location of the grid."""
    colour = (grid.colours - grid.colours[:, row, column, None, None]).norm(dim=0)
    alike = grid.enlarge(torch.einsum("c,chw->hw", grid.feature(row, column), grid.coarse)[None])[0]
    alike_detail = torch.einsum("c,chw->hw", grid.details[:, row, column], grid.details)
    return Nearest(
        torch.minimum(nearest.along, _distances(grid, grid.graph, row, column)),
        torch.minimum(nearest.away, _in_plane(grid, row, column)),
        torch.minimum(nearest.colour, colour),
        torch.maximum(nearest.alike, alike),
        torch.maximum(nearest.alike_detail, alike_detail),
    )


def latest_click(grid: ClickGrid, odds: Tensor, row: int, column: int, *, positive: bool) -> Latest:
    """A click on the mask in progress, log-odds (h, w), whose outline is an edge for its distances."""
    probability = odds.sigmoid().numpy().ravel()
    change = np.abs(probability[grid.first] - probability[grid.second])
    within = _distances(grid, grid.matrix(grid.costs + _OUTLINE * change), row, column)
    there = float(odds[row, column].tanh())
    return Latest(1.0 if positive else -1.0, within, _in_plane(grid, row, column), there, odds)


def _distances(grid: ClickGrid, graph: sparse.csr_array, row: int, column: int) -> Tensor:
    found = dijkstra(graph, indices=np.array([row * grid.size[1] + column]))
    return torch.from_numpy(found).float().reshape(grid.size).clamp(max=_FAR)


def _in_plane(grid: ClickGrid, row: int, column: int) -> Tensor:
    """The distance to a location, in lengths of the longer side."""
    rows, columns = (torch.arange(side) for side in grid.size)
    return torch.hypot((rows - row)[:, None].float(), (columns - column)[None].float()) / max(grid.size)


def cues(
    grid: ClickGrid, positive: Nearest, negative: Nearest, latest: Latest, previous: Tensor, clicks: int
) -> Tensor:
    """All cues, (n, h, w). previous: log-odds (h, w) of the mask in progress. clicks: their number."""
    probability = previous.sigmoid()
    inside = torch.where(previous > 0, probability, 0)
    if not inside.any():
        inside = (-((positive.along * _REACH) ** 2)).exp()
    parts = torch.stack((inside, torch.where(previous > 0, 0, 1 - probability)))
    coarse = F.interpolate(parts[None], grid.coarse.shape[1:], mode="area")[0]
    alike = torch.stack(
        (positive.alike, negative.alike, *grid.enlarge(_likeness(coarse, grid.coarse)), previous.tanh())
    )
    details = _likeness(parts, grid.details)
    fine = torch.stack((positive.alike_detail, negative.alike_detail, *details, _colours(grid, parts)))
    narrow, wide = _radii(grid.size)
    distances = _of_distances(positive, negative, latest)
    constants = (
        latest.sign,
        latest.there,
        float(negative.away.min() < _FAR),
        min(clicks, _MOST_COUNTED) / _MOST_COUNTED,
        float(probability.mean().sqrt()),
    )
    same = torch.tensor(constants)[:, None, None].expand(-1, *grid.size)
    blurred = (_blur(alike, narrow), _blur(alike, wide), _blur(fine, narrow))
    return torch.cat((distances, same, alike, fine, *blurred))


N_CUES = 12 + 5 + 3 * 5 + 2 * 5


def cues_of_given(given: Tensor) -> Tensor:
    """Further cues where a mask is corrected, (n, h, w). given: that mask (h, w), -1 beside the object to 1 on it."""
    return torch.cat((given[None], *(_blur(given[None], radius) for radius in _radii(given.shape))))


N_CUES_OF_GIVEN = 3


def _radii(size: Sequence[int]) -> tuple[int, int]:
    """The radii of the means, in locations of a grid (h, w)."""
    narrow, wide = (max(1, round(max(size) / share)) for share in (_NARROW, _WIDE))
    return narrow, wide


def _of_distances(positive: Nearest, negative: Nearest, latest: Latest) -> Tensor:
    """The cues that are distances to clicks, and what the latest click found, (n, h, w)."""
    logs = [(distance + _SOFT).log() for nearest in (positive, negative) for distance in nearest[:3]]
    of_latest = [(distance + _SOFT).log() for distance in (latest.within, latest.away)]
    flipped = latest.sign * (-latest.within * _REACH_OF_LATEST).exp()
    nearer = [logs[0] - logs[3], logs[1] - logs[4]]
    return torch.stack((*logs, *of_latest, flipped, latest.before.tanh(), *nearer))


def _likeness(parts: Tensor, features: Tensor) -> Tensor:
    """The cosines of features (C, h, w) with the prototypes of n parts (n, h, w), (n, h, w)."""
    prototypes = F.normalize(torch.einsum("nhw,chw->nc", parts, features), dim=1)
    return torch.einsum("nc,chw->nhw", prototypes, features)


def _colours(grid: ClickGrid, parts: Tensor) -> Tensor:
    """How much more common the colour of a location is in the first part than in the second, as a logarithm (h, w)."""
    logs = []
    for part in parts:
        counts = np.bincount(grid.colour_numbers.ravel(), part.numpy().ravel(), LEVELS**3)
        smooth = ndimage.gaussian_filter(counts.reshape(LEVELS, LEVELS, LEVELS), _SPREAD).ravel()
        logs.append(np.log(smooth / (smooth.sum() + 1e-9) + _LEAST_SHARE))
    return torch.from_numpy((logs[0] - logs[1])[grid.colour_numbers]).float()


def _blur(maps: Tensor, radius: int) -> Tensor:
    """The mean over the square around each location, (n, h, w) -> (n, h, w)."""
    side = 2 * radius + 1
    return F.avg_pool2d(maps[None], side, stride=1, padding=radius, count_include_pad=False)[0]
