"""Test-time adaptation: a few gradient steps of the fusion on a class's own examples, kept only where they help there.

Our addition. Every example is segmented by the prototypes of the others, so at least two are needed: with one, the
steps would teach the network that image, and nothing could tell whether that helps (docs/results.md).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.errors import ConfigError, DataError
from cdpnet.network.fusion import ImageTextFusion
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import mean_prototypes
from cdpnet.runtime.constants import IGNORE_INDEX
from cdpnet.runtime.metrics import foreground_iou

_RATE = 3e-4  # Adam's; our choice, as training's
_FEWEST = 2


class Adapted(NamedTuple):
    """A fusion for one class, or None where the steps did not help; IoU of left-out examples before and after, 0..1."""

    fusion: ImageTextFusion | None
    before: float
    after: float


def adapt(
    network: PrototypeNetwork, features: Sequence[Tensor], masks: Sequence[Tensor], name: str, steps: int
) -> Adapted:
    """Adapt the fusion to K examples: features F (1, C, h, w) and masks (H, W), on the network's device.

    Sizes may differ. The features must not come from inference mode, which gradients cannot pass.

    ConfigError for a network without a fusion, DataError for one example.
    """
    if network.fusion is None:
        raise ConfigError("This method has no fusion of image and text to adapt; leave --adapt out.")
    if len(features) < _FEWEST:
        raise DataError("Adaptation segments each example by the others, so it needs two or more; leave --adapt out.")
    fusion = copy.deepcopy(network.fusion)
    optimizer = torch.optim.Adam(fusion.parameters(), _RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        loss, _ = _left_out(network, fusion, features, masks, name)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    rounded = copy.deepcopy(network.fusion)
    rounded.load_state_dict({key: value.half() for key, value in fusion.state_dict().items()})  # as class files keep it
    with torch.no_grad():
        _, before = _left_out(network, network.fusion, features, masks, name)
        _, after = _left_out(network, rounded, features, masks, name)
    return Adapted(rounded.requires_grad_(False) if after > before else None, before, after)


def _left_out(
    network: PrototypeNetwork, fusion: ImageTextFusion, features: Sequence[Tensor], masks: Sequence[Tensor], name: str
) -> tuple[Tensor, float]:
    """Every example by the prototypes of the others: the mean cross-entropy, and the mean IoU."""
    learned = [
        network.learn_features(grid[None], mask[None, None], (name,), fusion)
        for grid, mask in zip(features, masks, strict=True)
    ]
    losses, ious = [], []
    for left, (grid, mask) in enumerate(zip(features, masks, strict=True)):
        others = mean_prototypes([one for i, one in enumerate(learned) if i != left])
        logits = network.match_features(grid, others, mask.shape, fusion).logits
        losses.append(F.cross_entropy(logits, mask[None].long(), ignore_index=IGNORE_INDEX))
        ious.append(float(foreground_iou(logits.argmax(dim=1), mask[None])[0]))
    return torch.stack(losses).mean(), sum(ious) / len(ious)
