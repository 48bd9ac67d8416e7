"""What is measured with: networks with random weights, images and masks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cdpnet.config import method
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.episode import EpisodeBatch
from cdpnet.network.build import build_network
from cdpnet.network.network import PrototypeNetwork

ENCODER = "resnet50"
NAME = "weld crack"


@dataclass(frozen=True)
class Setting:
    """A network, an episode batch of noise, and the locations that the attention works on.

    everywhere: every location counts as background, which is the most that the attention can have to do.
    """

    network: PrototypeNetwork
    batch: EpisodeBatch

    @classmethod
    def of(cls, size: int, shots: int = 1, episodes: int = 1, *, everywhere: bool = False) -> Setting:
        """Images of ``size`` pixels; the same for the same arguments."""
        torch.manual_seed(0)
        config = method("cdpn", ENCODER)
        if everywhere:
            config = replace(config, matching=replace(config.matching, background_threshold=0.0))
        network = build_network(config, WeightSources(RANDOM, RANDOM)).eval()
        assert network.fusion is not None
        torch.nn.init.normal_(network.fusion.out.weight, std=0.01)  # as trained; while it is zero, it takes no time
        supports, query = _noise(episodes, shots, size), _noise(episodes, 1, size)[:, 0]
        masks = torch.zeros(episodes, shots, size, size, dtype=torch.uint8)
        masks[..., size // 4 : size // 2, size // 4 : size // 2] = 1
        return cls(network, EpisodeBatch(supports, masks, query, (NAME,) * episodes))


def _noise(*shape: int) -> Tensor:
    """Images (B, K, 3, size, size) with structure at several scales, so that features differ from place to place."""
    *many, size = shape
    coarse = torch.rand(*many, 3, 8, 8).flatten(0, 1)
    clouds = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    fine = torch.rand(len(clouds), 3, size, size)
    return ((0.7 * clouds + 0.3 * fine) * 255).to(torch.uint8).reshape(*many, 3, size, size)
