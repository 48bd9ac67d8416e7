"""Whether a class is in an image at all (our addition): how well its best locations fit what the class is.

The match alone cannot tell: it asks each location for the better of two prototypes, and the query's own prototypes then
make its best guess look sure, whatever it is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import Calibration, DecisionConfig
from cdpnet.network.outputs import Prototypes


def best_fit(features: Tensor, prototypes: Prototypes, by_name: Tensor, locations: int) -> Tensor:
    """The mean cosine of the best ``locations`` with the class's name u, or with its foreground prototype.

    features: fused, F^m (B, C, h, w), one row for each class of the prototypes. by_name: (B,) bool -> (B,).
    """
    witness = prototypes.foreground
    if prototypes.text is not None:
        witness = torch.where(by_name[:, None], prototypes.text, witness)
    fit = F.cosine_similarity(features.flatten(2), witness[:, :, None], dim=1)
    return fit.topk(min(locations, fit.shape[1]), dim=1).values.mean(dim=1)


def presence(fit: Tensor, by_name: Tensor, config: DecisionConfig) -> Tensor:
    """The probability that each class is there: `best_fit` (B,), whether that was by name (B,) -> (B,)."""
    return torch.where(by_name, _probability(fit, config.named), _probability(fit, config.unnamed))


def thresholds(by_name: Tensor, config: DecisionConfig) -> Tensor:
    """The probability below which each class is called absent: (B,) bool -> (B,)."""
    return torch.where(by_name, config.named.threshold, config.unnamed.threshold)


def recognised(fit: Tensor, named: Tensor, config: DecisionConfig) -> Tensor:
    """Which classes would be called present by their names, given how well those fit their own examples.

    fit, named: (B,), `best_fit` and whether there is a name -> (B,) bool. A name that the text tower has never read
    fits nothing, so it cannot tell where the class is absent.
    """
    return named & (presence(fit, named, config) >= thresholds(named, config))


def _probability(fit: Tensor, calibration: Calibration) -> Tensor:
    return torch.sigmoid(calibration.slope * (fit - calibration.centre))
