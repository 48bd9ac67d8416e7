"""Whether a class is in an image at all (our addition): how similar its best locations are to the class.

The match alone cannot tell: it compares each location with two prototypes and takes the better one, and the query's own
prototypes then raise the confidence of its best guess, right or wrong.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import Calibration, DecisionConfig
from cdpnet.network.decision import is_absent
from cdpnet.network.outputs import Prototypes


def top_similarity(features: Tensor, prototypes: Prototypes, by_name: Tensor, locations: int) -> Tensor:
    """The mean cosine of the most similar ``locations`` with the class's name u, or with its foreground prototype.

    features: fused, F^m (B, C, h, w), one row for each class of the prototypes. by_name: (B,) bool, whether to compare
    with the name -> (B,) in -1..1.
    """
    reference = prototypes.foreground
    if prototypes.text is not None:
        reference = torch.where(by_name[:, None], prototypes.text, reference)
    return _mean_of_best(F.cosine_similarity(features.flatten(2), reference[:, :, None], dim=1), locations)


def top_margin(features: Tensor, prototypes: Prototypes, locations: int) -> Tensor:
    """The mean over the best ``locations`` of the cosine with the foreground less that with the background.

    features: fused, F^m (B, C, h, w) -> (B,) in -2..2.
    """
    unit = F.normalize(features.flatten(2), dim=1)
    difference = F.normalize(prototypes.foreground, dim=1) - F.normalize(prototypes.background, dim=1)
    return _mean_of_best(torch.einsum("bcn,bc->bn", unit, difference), locations)


def _mean_of_best(scores: Tensor, locations: int) -> Tensor:
    """(B, N) -> (B,)."""
    return scores.topk(min(locations, scores.shape[1]), dim=1).values.mean(dim=1)


def presence_statistic(features: Tensor, prototypes: Prototypes, by_name: Tensor, config: DecisionConfig) -> Tensor:
    """What the probability of presence is computed from: `top_similarity`, and what is switched on beside it.

    That is `top_margin`, and for classes by name the similarity with their foreground prototypes: where names say
    little, examples may tell, and the other way round. Shapes as in `top_similarity` -> (B,).
    """
    locations = config.locations
    statistic = top_similarity(features, prototypes, by_name, locations)
    if config.foreground:
        on_prototype = top_similarity(features, prototypes, torch.zeros_like(by_name), locations)
        statistic = statistic + torch.where(by_name, on_prototype, 0.0)
    return statistic + top_margin(features, prototypes, locations) if config.margin else statistic


def presence_probability(similarity: Tensor, by_name: Tensor, config: DecisionConfig) -> Tensor:
    """The probability that each class is in the image: `presence_statistic` (B,), whether by name (B,) -> (B,)."""
    return torch.where(by_name, _probability(similarity, config.named), _probability(similarity, config.unnamed))


def presence_thresholds(by_name: Tensor, config: DecisionConfig) -> Tensor:
    """The probability below which each class is called absent: (B,) bool -> (B,)."""
    return torch.where(by_name, config.named.threshold, config.unnamed.threshold)


def recognises_name(similarity: Tensor, named: Tensor, config: DecisionConfig) -> Tensor:
    """Which classes would be called present by their names, given how similar these are to their own examples.

    similarity, named: (B,), `presence_statistic` and whether there is a name -> (B,) bool. A name that the text tower
    has never read is similar to nothing, so it cannot tell where the class is absent.
    """
    probability = presence_probability(similarity, named, config)
    return named & ~is_absent(probability, presence_thresholds(named, config))


def _probability(similarity: Tensor, calibration: Calibration) -> Tensor:
    return torch.sigmoid(calibration.slope * (similarity - calibration.centre))
