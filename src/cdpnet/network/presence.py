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

_RECOGNISED = 0.53  # cosine of the text channels: exceeded by 34 of 36 right names of COCO, by 1 of 36 unknown words


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


def group_similarity(
    features: Tensor, prototypes: Prototypes, by_name: Tensor, locations: int, text_channels: int
) -> Tensor:
    """What visual channels and those of the text space, from number ``text_channels`` on, say each by themselves.

    The sum of three means over the best ``locations``: the cosine of the visual channels with the foreground prototype,
    its margin over that with the background, and the margin in the text channels; for classes by name half of that and
    half of the cosine of the text channels with the name. Shapes as in `top_similarity` -> (B,).
    """
    visual, textual = (
        _some_channels(features, prototypes, part) for part in (slice(None, text_channels), slice(text_channels, None))
    )
    total = top_similarity(*visual, torch.zeros_like(by_name), locations)
    total, margin = total + top_margin(*visual, locations), top_margin(*textual, locations)
    if prototypes.text is None:
        return total + margin
    return total + torch.where(by_name, (margin + top_similarity(*textual, by_name, locations)) / 2, margin)


def _some_channels(features: Tensor, prototypes: Prototypes, channels: slice) -> tuple[Tensor, Prototypes]:
    """Features (B, C, h, w) and the prototypes of their classes, without parts, in some of the channels."""
    return features[:, channels], prototypes._replace(parts=None).map(lambda part: part[:, channels])


def presence_statistic(
    features: Tensor, prototypes: Prototypes, by_name: Tensor, config: DecisionConfig, text_channels: int | None = None
) -> Tensor:
    """What the probability of presence is computed from: `top_similarity`, or what is switched on in its place.

    That is the sum with `top_margin`, or, for an encoder that has ``text_channels``, `group_similarity`. Shapes as in
    `top_similarity` -> (B,).
    """
    if config.groups and text_channels is not None:
        return group_similarity(features, prototypes, by_name, config.locations, text_channels)
    statistic = top_similarity(features, prototypes, by_name, config.locations)
    return statistic + top_margin(features, prototypes, config.locations) if config.margin else statistic


def presence_probability(similarity: Tensor, by_name: Tensor, config: DecisionConfig) -> Tensor:
    """The probability that each class is in the image: `presence_statistic` (B,), whether by name (B,) -> (B,)."""
    return torch.where(by_name, _probability(similarity, config.named), _probability(similarity, config.unnamed))


def presence_thresholds(by_name: Tensor, shots: Tensor, config: DecisionConfig) -> Tensor:
    """The probability below which each class is called absent: (B,) bool, its number of examples (B,) -> (B,)."""
    of_one = torch.where(by_name, config.named.threshold, config.unnamed.threshold)
    return multiply_odds(of_one, shots.clamp(min=1).to(of_one.dtype) ** config.threshold_rise)


def multiply_odds(probability: Tensor, factor: Tensor) -> Tensor:
    """The probability whose odds are ``factor`` times those of another."""
    return probability * factor / (1 - probability + probability * factor)


def name_similarity(
    features: Tensor, prototypes: Prototypes, by_name: Tensor, config: DecisionConfig, text_channels: int | None = None
) -> Tensor:
    """How similar an example is to the name of its class, for `recognises_name`: `presence_statistic`, or a part of it.

    Where channels are compared in groups, that is the cosine of the text channels with the name alone: an example is
    always like its own prototypes. Shapes as in `top_similarity` -> (B,).
    """
    if config.groups and text_channels is not None:
        textual = _some_channels(features, prototypes, slice(text_channels, None))
        return top_similarity(*textual, by_name, config.locations)
    return presence_statistic(features, prototypes, by_name, config)


def recognises_name(similarity: Tensor, named: Tensor, config: DecisionConfig) -> Tensor:
    """Which classes would be called present by their names, given how similar these are to their own examples.

    similarity, named: (B,), `name_similarity` and whether there is a name -> (B,) bool. A name that the text tower
    has never read is similar to nothing, so it cannot tell where the class is absent.
    """
    if config.groups:
        return named & (similarity > _RECOGNISED)
    probability = presence_probability(similarity, named, config)
    one = torch.ones_like(similarity)  # an example by itself
    return named & ~is_absent(probability, presence_thresholds(named, one, config))


def _probability(similarity: Tensor, calibration: Calibration) -> Tensor:
    return torch.sigmoid(calibration.slope * (similarity - calibration.centre))
