"""Test-time adaptation: a few gradient steps of the fusion on the examples of a class, used only if they help there.

Our addition. Every example is segmented by the prototypes of the others, so at least two are needed: with one, the
steps would fit the network to that image, and nothing could measure whether that helps (docs/explanation/results.md).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.errors import ConfigError, DataError
from cdpnet.network.decision import decide, log_odds
from cdpnet.network.fusion import ImageTextFusion
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import mean_prototypes
from cdpnet.runtime.constants import IGNORE_INDEX
from cdpnet.runtime.metrics import foreground_iou

_LEARNING_RATE = 3e-4  # of Adam; our choice, as in training
_MIN_EXAMPLES = 2


class Adaptation(NamedTuple):
    """The adapted fusion, None where the steps did not help; mean IoU of left-out examples before and after, 0..1."""

    fusion: ImageTextFusion | None
    before: float
    after: float


def adapt(
    network: PrototypeNetwork, features: Sequence[Tensor], masks: Sequence[Tensor], name: str, steps: int
) -> Adaptation:
    """Adapt a copy of the fusion to K examples: features F (1, C, h, w) and masks (H, W), on the network's device.

    Sizes may differ. The features must not come from inference mode, which gradients cannot pass. The network itself
    is not changed.

    ConfigError for a network without a fusion, DataError for one example.
    """
    if network.fusion is None:
        raise ConfigError("This method has no fusion of image and text to adapt; leave --adapt out.")
    if len(features) < _MIN_EXAMPLES:
        raise DataError("Adaptation segments each example by the others, so it needs two or more; leave --adapt out.")
    fusion = copy.deepcopy(network.fusion).requires_grad_(True)
    parameters = list(fusion.parameters())
    optimizer = torch.optim.Adam(parameters, _LEARNING_RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        loss, _ = _segment_left_out(network, fusion, features, masks, name)
        loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        optimizer.step()
    rounded = copy.deepcopy(network.fusion)
    rounded.load_state_dict({key: value.half() for key, value in fusion.state_dict().items()})  # as in class files
    with torch.no_grad():
        _, before = _segment_left_out(network, network.fusion, features, masks, name)
        _, after = _segment_left_out(network, rounded, features, masks, name)
    return Adaptation(rounded.requires_grad_(False) if after > before else None, before, after)


def _segment_left_out(
    network: PrototypeNetwork, fusion: ImageTextFusion, features: Sequence[Tensor], masks: Sequence[Tensor], name: str
) -> tuple[Tensor, float]:
    """Segment every example by the prototypes of the others: the mean cross-entropy, and the mean IoU, 0..1."""
    learned = [
        network.learn_features(grid[None], mask[None, None], (name,), fusion)
        for grid, mask in zip(features, masks, strict=True)
    ]
    losses, ious = [], []
    for left_out, (grid, mask) in enumerate(zip(features, masks, strict=True)):
        others = mean_prototypes([one for i, one in enumerate(learned) if i != left_out])
        logits = network.match_features(grid, others, mask.shape, fusion).logits
        losses.append(F.cross_entropy(logits, mask[None].long(), ignore_index=IGNORE_INDEX))
        predicted = decide(log_odds(logits)[:, None], absent=None, background=0.0)
        ious.append(float(foreground_iou(predicted, mask[None])[0]))
    return torch.stack(losses).mean(), sum(ious) / len(ious)
