"""An image as clicks see it: colours and features on a grid, and how hard it is to pass between neighbours.

The grid has at most 128 locations a side, which every image fills; the numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

LONGEST_SIDE = 128  # locations
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
_REFERENCE = 96  # locations of the side that changes of features and lengths are in units of
_PER_STEP = 0.02  # of a path's length, beside what changes on it
_OF_DETAILS = 0.15  # of a change of the details on a path
_COLOUR_CONTRAST, _DETAIL_CONTRAST = 1.5, 2.0  # of a mean change, the exponent by which it parts two neighbours
_LEAST_TIE = 1e-4
LEVELS = 8  # of each colour in a histogram


class ClickGrid:
    """An image as clicks see it.

    image (3, H, W) uint8, features F (C, h', w') of any grid, details of finer grids (C_i, h_i, w_i), see
    `ImageEncoder.features_and_details`; without any the features are in their place. colours (3, h, w) 0..1. coarse:
    the features on their own grid, of unit length less the image's mean, which tell its parts apart; enlarged to (h, w)
    they would be most of the memory, so `feature` gives single ones. details (C, h, w) likewise.
    """

    def __init__(self, image: Tensor, features: Tensor, details: Sequence[Tensor] = ()) -> None:
        scale = min(1.0, LONGEST_SIDE / max(image.shape[-2:]))
        height, width = (max(2, round(side * scale)) for side in image.shape[-2:])
        self.size = height, width
        self.colours = F.interpolate(image[None].float() / 255, self.size, mode="area")[0]
        self.coarse = F.normalize(_centred(features), dim=0)
        fine = F.normalize(self.enlarge(self.coarse), dim=0)
        parts = [F.interpolate(_centred(one)[None], self.size, mode="bilinear")[0] for one in details]
        whole = torch.cat(parts) if parts else fine
        self.details = F.normalize(whole, dim=0)
        red, green, blue = (self.colours * (LEVELS - 1e-3)).long()
        self.colour_numbers = ((red * LEVELS + green) * LEVELS + blue).numpy()
        self._connect(fine, whole)

    def enlarge(self, maps: Tensor) -> Tensor:
        """Maps (n, h', w') of the features' own grid -> (n, h, w)."""
        return F.interpolate(maps[None], self.size, mode="bilinear", align_corners=True)[0]

    def feature(self, row: int, column: int) -> Tensor:
        """The feature (C,) of a location of the grid."""
        place = torch.tensor([2 * column / (self.size[1] - 1) - 1, 2 * row / (self.size[0] - 1) - 1])
        found = F.grid_sample(self.coarse[None], place[None, None, None], align_corners=True)
        return F.normalize(found.flatten(), dim=0)

    def _connect(self, features: Tensor, details: Tensor) -> None:
        """The costs of the steps between neighbours, in units of the mean cost of crossing the image, and their ties.

        A tie is how much two neighbours belong together, from the change of colours and details between them.
        """
        h, w = self.size
        numbers = np.arange(h * w).reshape(h, w)
        unit = max(h, w) / _REFERENCE
        parts: list[tuple[NDArray[np.int64], NDArray[np.int64], Tensor, Tensor, Tensor]] = []
        for down, right in _NEIGHBOURS:
            here = slice(0, h - down), slice(max(0, -right), w - max(0, right))
            there = slice(down, h), slice(max(0, right), w + min(0, right))
            length = float(np.hypot(down, right))
            change = (self.colours[:, *here] - self.colours[:, *there]).norm(dim=0)
            unlike = (1 - (features[:, *here] * features[:, *there]).sum(dim=0)).clamp(min=0)
            detail = (details[:, *here] - details[:, *there]).norm(dim=0)
            cost = change + unlike * unit + _OF_DETAILS * detail + _PER_STEP * length / unit
            contrasts = torch.stack((change.square(), detail.square())) / length
            lengths = torch.full_like(cost, length)
            parts.append((numbers[here].ravel(), numbers[there].ravel(), cost, contrasts, lengths))
        self.first, self.second = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        cost = torch.cat([part[2].flatten() for part in parts])
        colour, detail = torch.cat([part[3].flatten(1) for part in parts], dim=1)
        length_of = torch.cat([part[4].flatten() for part in parts])
        self.costs = (cost / (cost.mean() * max(h, w))).numpy()
        parted = _COLOUR_CONTRAST * _in_means(colour) + _DETAIL_CONTRAST * _in_means(detail)
        self.graph = self.matrix(self.costs)
        self.ties = self.matrix(((-parted).exp() / length_of + _LEAST_TIE).double().numpy())

    def matrix(self, values: NDArray[np.floating]) -> sparse.csr_array:
        """The symmetric matrix (h * w, h * w) of one value for each pair of neighbours."""
        ends = np.append(self.first, self.second), np.append(self.second, self.first)
        places = self.size[0] * self.size[1]
        return sparse.csr_array((np.tile(values, 2), ends), shape=(places, places))


def _centred(maps: Tensor) -> Tensor:
    """Maps (C, h, w) less their mean, of unit length at every location."""
    return F.normalize(maps - maps.mean(dim=(1, 2), keepdim=True), dim=0)


def _in_means(values: Tensor) -> Tensor:
    return values / values.mean().clamp(min=1e-9)
