"""Which result to look at next: uncertainty, the disagreement between examples, and the order (our choice)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cdpnet.config import DecisionConfig
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.learning import with_examples, without_example
from cdpnet.inference.segmentation import Segmentation
from cdpnet.runtime.text import counted


def uncertainty(found: Segmentation) -> float:
    """How much a result is to be doubted, 0..1: the highest of its classes.

    A class is doubted as far as its mask is, see `Segmentation.uncertainties`, or its presence: `1 - abs(2 p - 1)` for
    the probability p that it is in the image.
    """
    presence = (1 - abs(2 * probability - 1) for probability in found.presence)
    return max(*presence, *found.uncertainties)


def leave_one_out(learned: ClassPrototype, config: DecisionConfig) -> list[ClassPrototype]:
    """The class, and the class without each of its K examples in turn. DataError for fewer than two examples.

    config: of the network. Segment them together, with ``min_presence=0``, for `disagreement`.
    """
    count = len(learned.stored_examples)
    if count < 2:
        raise DataError(f"The class {learned.name!r} has {counted(count, 'example')}; two or more can disagree.")
    left_out = (without_example(learned, index) for index in range(count))
    return [learned, *(with_examples(learned, examples, config, None) for examples in left_out)]


def disagreement(found: Segmentation) -> float:
    """How much a result depends on single examples, 0..1: one minus the mean IoU of the probabilities.

    found: the classes of `leave_one_out` in one image. The IoU of two maps of probabilities is the sum of the lower
    ones over the sum of the higher ones, at each location; each class without an example is compared with the whole.
    """
    probability = (found.log_odds - found.background).sigmoid().flatten(1)
    whole, others = probability[:1], probability[1:]
    iou = torch.minimum(whole, others).sum(dim=1) / torch.maximum(whole, others).sum(dim=1)
    return float(1 - iou.mean())


def most_uncertain_first(values: Sequence[float]) -> list[int]:
    """The numbers of results in the order of looking at them; of equal ones the first comes first."""
    return sorted(range(len(values)), key=lambda i: -values[i])
