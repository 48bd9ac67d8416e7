"""Parts that many tests build: a network over given features, and episodes of random images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cdpnet.config import NetworkConfig, TrainConfig, method
from cdpnet.data.source import TrainingEpisodes
from cdpnet.encoders.build import Encoders
from cdpnet.encoders.image import StagedEncoder
from cdpnet.episode import EpisodeBatch
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.record import RunSettings, TrainingRecord


class WordVectors(nn.Module):
    """Stands in for a text encoder: each name has a fixed random unit vector."""

    dim = 8

    def encode(self, names: tuple[str, ...]) -> Tensor:
        return torch.stack([self._vector(name) for name in names])

    def _vector(self, name: str) -> Tensor:
        if not name:
            return torch.zeros(self.dim)
        generator = torch.Generator().manual_seed(sum(name.encode()))
        return nn.functional.normalize(torch.randn(self.dim, generator=generator), dim=0)


def small_encoder(channels: int = 16, stride: int = 4) -> StagedEncoder:
    """A random two-layer encoder whose features have both signs."""
    stages = [
        nn.Sequential(nn.Conv2d(3, 12, 3, stride=stride, padding=1), nn.ReLU()),
        nn.Conv2d(12, channels, 3, padding=1),
    ]
    return StagedEncoder(stages, trained=(1,), channels=channels, stride=stride, mean=(0.5,) * 3, std=(0.25,) * 3)


def small_network(
    name: str = "cdpn", config: NetworkConfig | None = None, seed: int = 0, stride: int = 4
) -> PrototypeNetwork:
    """A network of a named method over `small_encoder`, every one of its own parts random and at work."""
    torch.manual_seed(seed)
    config = config or method(name)
    text = WordVectors() if config.reads_names else None
    network = PrototypeNetwork(config, Encoders(small_encoder(stride=stride), text))  # type: ignore[arg-type]
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.ndim != 1:
            nn.init.normal_(parameter, std=0.3)
    if network.prototypes.mix is not None:
        nn.init.normal_(network.prototypes.mix)
    return network.eval()


def random_batch(
    b: int = 2, k: int = 1, h: int = 40, w: int = 48, seed: int = 0, *, ignore: bool = True
) -> EpisodeBatch:
    """Episodes of coloured noise; masks are rectangles with some ignored pixels."""
    g = torch.Generator().manual_seed(seed)
    masks = torch.zeros(b, k, h, w, dtype=torch.uint8)
    for i in range(b):
        for j in range(k):
            y, x = (int(torch.randint(4, side // 2, (1,), generator=g)) for side in (h, w))
            masks[i, j, y : y + h // 3, x : x + w // 3] = 1
    if ignore:
        masks[torch.rand(masks.shape, generator=g) < 0.1] = 255
    low = torch.rand(b * (k + 1), 3, h // 8, w // 8, generator=g)
    images = nn.functional.interpolate(low, size=(h, w), mode="bilinear").reshape(b, k + 1, 3, h, w)
    names = tuple(("cat", "guitar", "weld crack", "Ölkanne")[i % 4] for i in range(b))
    return EpisodeBatch(images[:, :k], masks, images[:, k], names)


def record_of(episodes: TrainingEpisodes) -> TrainingRecord:
    """The record of a checkpoint after one iteration on these episodes."""
    settings = RunSettings(episodes, "base classes", 1, TrainConfig(iterations=1), frozen="0" * 16)
    return TrainingRecord(settings, iteration=1, validation_miou=12.5)
