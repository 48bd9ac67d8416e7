"""A training that takes a fraction of a second: a small random network on icons of 48 x 48 pixels."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from cdpnet.config import TrainConfig, method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.network.network import PrototypeNetwork
from cdpnet.training.loop import train
from cdpnet.training.run import LOG_FILE
from tests.helpers import small_network

CONFIG = TrainConfig(iterations=4, batch=2, checkpoint_every=1, validate_every=2, validation_episodes=2, warmup=1)


def new_network(name: str = "cdpn") -> PrototypeNetwork:
    """The same random weights at every call."""
    return small_network(config=method(name, "small"))


def new_episodes(fold: int = 0) -> IconEpisodes:
    return IconEpisodes(fold, 1, "train", layout=SceneLayout(size=48))


def train_small(
    out: Path, config: TrainConfig = CONFIG, *, resume: bool = False, name: str = "cdpn"
) -> PrototypeNetwork:
    network = new_network(name)
    train(network, new_episodes(), config, out, resume=resume)
    return network


def weights(network: PrototypeNetwork) -> dict[str, torch.Tensor]:
    """Those that training changes."""
    return {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}


def losses(out: Path) -> list[float]:
    found: list[float] = json.loads((out / LOG_FILE).read_text())["loss"]
    return found
