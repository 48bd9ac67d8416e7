"""The mask of the clicks follows the edges of the image: a random walker with priors (Grady, CVPR 2005).

The probability of the object at a location is the mean of its neighbours', weighted by how much they belong together,
and of the click model's answer there. At a click it is what the click says, so a click takes along all that nothing
parts from it. The numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

_PRIOR = 0.03  # weight of the model's answer beside a tie of two alike neighbours, which is 1
_HARD = 1e3  # weight of a click
_ROUNDS, _EXACT = 60, 1e-3  # of conjugate gradients
_LEAST = 1e-5  # probability


def smooth(odds: Tensor, ties: sparse.csr_array, places: Sequence[tuple[int, int, bool]]) -> Tensor:
    """Log-odds (h, w) that follow the ties (h * w, h * w) of neighbours, and the clicks at places of the grid."""
    answer = odds.sigmoid().double().numpy().ravel()
    weight = np.full(len(answer), _PRIOR)
    for row, column, positive in places:
        number = row * odds.shape[1] + column
        weight[number], answer[number] = _HARD, float(positive)
    found = torch.from_numpy(_solve(ties, weight, answer)).clamp(_LEAST, 1 - _LEAST)
    return (found.log() - (1 - found).log()).float().reshape(odds.shape)


def _solve(ties: sparse.csr_array, weight: NDArray[np.float64], answer: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x of (diagonal of weight + Laplacian of ties) x = weight * answer, by conjugate gradients from the answer.

    Preconditioned by the diagonal; the loop is written out, for its time, memory and result depend on nothing else.
    """
    diagonal = ties.sum(axis=1) + weight
    x = answer.copy()
    residual = weight * answer - (diagonal * x - ties @ x)
    direction = scaled = residual / diagonal
    product = residual @ scaled
    for _ in range(_ROUNDS):
        if np.abs(scaled).max() < _EXACT:
            break
        through = diagonal * direction - ties @ direction
        step = product / (direction @ through)
        x = x + step * direction
        residual = residual - step * through
        scaled = residual / diagonal
        before, product = product, residual @ scaled
        direction = scaled + (product / before) * direction
    return x
