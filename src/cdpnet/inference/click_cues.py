"""What clicks say about every location of an image: distances along the image, in its plane, in colour and features.

Everything lives on a grid of at most 96 locations a side, which every image fills; the numbers are our choice. A
distance along the image (geodesic) is the least sum of the changes of colour and features on a path between two
locations, so it is short inside a region and long across its edges.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

LONGEST_SIDE = 96  # locations
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
_PER_STEP = 0.02  # of a path's length, beside what changes on it
_SOFT = 1e-2  # added to a distance before its logarithm is taken
_FAR = 2.0  # the distance to clicks where there are none
_UNLIKE = -1.0
_BLUR, _BLUR_MORE = 2, 5  # radius of the means, in locations
_MOST_COUNTED = 10  # clicks


class Click(NamedTuple):
    """A pixel of the image, counted from the top left, that is on the object (positive) or beside it."""

    row: int
    column: int
    positive: bool = True


class Nearest(NamedTuple):
    """Maps (h, w) of the nearest click of one kind: along the image, in the plane, in colour; and of the most alike."""

    along: Tensor
    away: Tensor
    colour: Tensor
    alike: Tensor


class ClickGrid:
    """An image as clicks see it.

    image (3, H, W) uint8, features F (C, h', w') of any grid. colours (3, h, w) 0..1, and features of unit length
    (C, h, w) less the image's mean, which tell its parts apart.
    """

    def __init__(self, image: Tensor, features: Tensor) -> None:
        scale = min(1.0, LONGEST_SIDE / max(image.shape[-2:]))
        self.size = tuple(max(2, round(side * scale)) for side in image.shape[-2:])
        self.colours = F.interpolate(image[None].float() / 255, self.size, mode="area")[0]
        centred = F.normalize(features - features.mean(dim=(1, 2), keepdim=True), dim=0)
        resized = F.interpolate(centred[None], self.size, mode="bilinear", align_corners=True)[0]
        self.features = F.normalize(resized, dim=0)
        self.graph = self._connect()

    def _connect(self) -> sparse.csr_array:
        """The costs of the steps between neighbours, in units of the mean cost of crossing the image."""
        h, w = self.size
        numbers = np.arange(h * w).reshape(h, w)
        first, second, costs = [], [], []
        for down, right in _NEIGHBOURS:
            here = slice(0, h - down), slice(max(0, -right), w - max(0, right))
            there = slice(down, h), slice(max(0, right), w + min(0, right))
            change = (self.colours[:, *here] - self.colours[:, *there]).norm(dim=0)
            likeness = (self.features[:, *here] * self.features[:, *there]).sum(dim=0)
            cost = change + (1 - likeness).clamp(min=0) + _PER_STEP * float(np.hypot(down, right))
            first.append(numbers[here].ravel())
            second.append(numbers[there].ravel())
            costs.append(cost.numpy().ravel())
        a, b, cost = map(np.concatenate, (first, second, costs))
        cost = cost / (cost.mean() * max(h, w))
        return sparse.csr_array((np.tile(cost, 2), (np.append(a, b), np.append(b, a))), shape=(h * w, h * w))

    def nothing(self) -> Nearest:
        """The maps without a click."""
        far = torch.full(self.size, _FAR)
        return Nearest(far, far, far, torch.full(self.size, _UNLIKE))

    def add(self, nearest: Nearest, row: int, column: int) -> Nearest:
        """The maps with one click more, at a location of the grid."""
        along = (
            torch.from_numpy(dijkstra(self.graph, indices=np.array([row * self.size[1] + column])))
            .float()
            .reshape(self.size)
        )
        rows, columns = (torch.arange(side) for side in self.size)
        away = torch.hypot((rows - row)[:, None].float(), (columns - column)[None].float()) / max(self.size)
        colour = (self.colours - self.colours[:, row, column, None, None]).norm(dim=0)
        alike = torch.einsum("c,chw->hw", self.features[:, row, column], self.features)
        return Nearest(
            torch.minimum(nearest.along, along),
            torch.minimum(nearest.away, away),
            torch.minimum(nearest.colour, colour),
            torch.maximum(nearest.alike, alike),
        )

    def cues(self, positive: Nearest, negative: Nearest, previous: Tensor, clicks: int) -> Tensor:
        """All cues, (n, h, w). previous: log-odds (h, w) of the mask in progress. clicks: their number."""
        logs = [(distance + _SOFT).log() for nearest in (positive, negative) for distance in nearest[:3]]
        alike = torch.stack((positive.alike, negative.alike, *self._like_mask(positive, previous), previous.tanh()))
        whole = torch.ones(self.size)
        beside = float(negative.away.min() < _FAR)
        constant = [whole * beside, whole * (min(clicks, _MOST_COUNTED) / _MOST_COUNTED)]
        return torch.cat((torch.stack((*logs, *constant)), alike, _blur(alike, _BLUR), _blur(alike, _BLUR_MORE)))

    def _like_mask(self, positive: Nearest, previous: Tensor) -> tuple[Tensor, Tensor]:
        """The cosines with the prototypes of the mask in progress and of what is beside it, (h, w) each."""
        probability = previous.sigmoid()
        inside = torch.where(previous > 0, probability, 0)
        if not inside.any():
            inside = (-((positive.along * 20) ** 2)).exp()
        outside = torch.where(previous > 0, 0, 1 - probability)
        prototypes = torch.stack([torch.einsum("hw,chw->c", part, self.features) for part in (inside, outside)])
        of_mask, beside = torch.einsum("kc,chw->khw", F.normalize(prototypes, dim=1), self.features)
        return of_mask, beside


N_CUES = 6 + 2 + 3 * 5


def _blur(maps: Tensor, radius: int) -> Tensor:
    """The mean over the square around each location, (n, h, w) -> (n, h, w)."""
    side = 2 * radius + 1
    return F.avg_pool2d(maps[None], side, stride=1, padding=radius, count_include_pad=False)[0]
