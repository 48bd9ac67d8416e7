"""The small function that weighs what clicks say about a location, see `click_cues` (our choice)."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cdpnet.inference.click_cues import N_CUES

_WIDTH = 96
WEIGHTS = "clicks.safetensors"


class ClickModel(nn.Module):
    """Cues (..., n) -> the log-odds of the object (...): two hidden layers, the same at every location."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_CUES))
        self.register_buffer("std", torch.ones(N_CUES))
        self.layers = nn.Sequential(
            nn.Linear(N_CUES, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1)
        )

    def forward(self, cues: Tensor) -> Tensor:
        """The same shape without the last axis."""
        odds: Tensor = self.layers((cues - self.mean) / self.std)
        return odds[..., 0]


@lru_cache(maxsize=1)
def load_click_model() -> ClickModel:
    """The model with the weights of the package."""
    model = ClickModel()
    with as_file(files("cdpnet.weights") / WEIGHTS) as path:
        model.load_state_dict(load_file(path))
    return model.eval()
