"""Edge refinement: scores of a coarse grid are spread along the colours of the image, at a quarter of its side.

Pixel-adaptive refinement (as PAMR; Araslanov and Roth, arXiv 2005.08104) of the probability of each class; the numbers
are our choice. Nothing is learned, and memory and time are linear in the number of pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REDUCTION = 4  # pixels of the image to one of the refined scores, on each side
_DILATIONS = (1, 2, 4)  # distances of the 8 neighbours
_OFFSETS = [(d * y, d * x) for d in _DILATIONS for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
_ROUNDS = 8
_SOFTNESS = 0.1  # difference of colours, in standard deviations of the neighbourhood, that lowers an affinity by e
_EPSILON = 1e-6


def refine_edges(log_odds: Tensor, images: Tensor) -> Tensor:
    """Log-odds of n classes (B, n, h, w) in images (B, 3, H, W), uint8 or 0..1 -> refined log-odds (B, n, H/4, W/4)."""
    colours = images.float() / 255 if images.dtype == torch.uint8 else images
    colours = F.avg_pool2d(colours, REDUCTION)
    weights = affinities(colours)[:, None]
    scores = F.interpolate(log_odds, size=colours.shape[-2:], mode="bilinear", align_corners=True).sigmoid()
    for _ in range(_ROUNDS):
        scores = (weights * neighbours(scores)).sum(dim=2)
    scores = scores.clamp(_EPSILON, 1 - _EPSILON)
    return scores.log() - (1 - scores).log()


def affinities(colours: Tensor) -> Tensor:
    """How much every pixel takes from each neighbour: colours (B, 3, h, w) -> (B, 24, h, w), of sum 1.

    The softmax over the neighbours of minus the difference of colours, in units of the neighbourhood's spread.
    """
    around = neighbours(colours).sub_(colours[:, :, None])  # differences, of which the pixel's own is 0
    distance = around.abs() / (_SOFTNESS * _spread(around) + _EPSILON)
    return (-distance.mean(dim=1)).softmax(dim=1)


def _spread(around: Tensor) -> Tensor:
    """The standard deviation of n values and a further 0, (B, 3, n, h, w) -> (B, 3, 1, h, w).

    Written out: the one of torch takes five times as long.
    """
    count = around.shape[2]
    mean = around.sum(dim=2, keepdim=True) / (count + 1)
    squares = around.square().sum(dim=2, keepdim=True) - (count + 1) * mean.square()
    return (squares.clamp(min=0) / count).sqrt()


def neighbours(maps: Tensor) -> Tensor:
    """The 8 neighbours at each of the distances, the border repeated: (B, n, h, w) -> (B, n, 24, h, w)."""
    far, (h, w) = max(_DILATIONS), maps.shape[-2:]
    padded = F.pad(maps, (far, far, far, far), mode="replicate")
    return torch.stack([padded[..., far + y : far + y + h, far + x : far + x + w] for y, x in _OFFSETS], dim=2)
