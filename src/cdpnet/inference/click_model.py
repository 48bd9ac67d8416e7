"""The small function that weighs what clicks say about a location, see `click_cues` (our choice)."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cdpnet.inference.click_cues import N_CUES, N_CUES_OF_GIVEN

_WIDTH = 96
WEIGHTS = "clicks.safetensors"
WEIGHTS_OF_CORRECTIONS = "corrections.safetensors"


class ClickModel(nn.Module):
    """Cues (..., n) -> the log-odds of the object (...): two hidden layers, the same at every location.

    corrects: whether it reads the cues of a mask that is corrected as well.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, corrects: bool = False) -> None:
        super().__init__()
        self.corrects = corrects
        n_cues = N_CUES + N_CUES_OF_GIVEN * corrects
        self.register_buffer("mean", torch.zeros(n_cues))
        self.register_buffer("std", torch.ones(n_cues))
        self.layers = nn.Sequential(
            nn.Linear(n_cues, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1)
        )

    def forward(self, cues: Tensor) -> Tensor:
        """The same shape without the last axis."""
        odds: Tensor = self.layers((cues - self.mean) / self.std)
        return odds[..., 0]


@lru_cache(maxsize=2)
def load_click_model(*, corrects: bool = False) -> ClickModel:
    """The model with the weights of the package: of objects that nothing is marked of, or of masks to correct."""
    model = ClickModel(corrects=corrects)
    with as_file(files("cdpnet.weights") / (WEIGHTS_OF_CORRECTIONS if corrects else WEIGHTS)) as path:
        model.load_state_dict(load_file(path))
    return model.eval()
