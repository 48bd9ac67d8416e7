"""Every setting of a training, with its source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from math import inf
from typing import Literal

from cdpnet.errors import ConfigError
from cdpnet.values import JSON, check_range, check_seeds, decode

Precision = Literal["auto", "float32", "bfloat16"]
_AT_LEAST_ONE = ("iterations", "batch", "accumulate", "checkpoint_every", "validate_every", "validation_episodes")
_RATES = ("learning_rate", "weight_decay", "momentum", "warmup", "encoder_rate", "mix_rate")
_NOT_NEGATIVE = (*_RATES, "output_stride", "workers", "seed")
_FREE = ("workers", "checkpoint_every", "curves")  # settings that do not change what a run computes
_MOST = 10**9  # our choice; of episodes and iterations, so that numbers of episodes have 64 bits
SELECTIONS = {"base": "base classes", "novel": "novel classes of the test fold"}
"""The classes whose validation selects the checkpoint, in words."""


@dataclass(frozen=True)
class TrainConfig:
    """The training of a network's own parts and of the trained stages of its image encoder."""

    iterations: int = 400
    """Optimizer steps; our choice for the embedded data (SSP on PASCAL: 6000)."""
    batch: int = 8
    """Episodes of a step in one process; our choice (SSP: 4)."""
    accumulate: int = 1
    """Number of batches of a step, one after the other, for more episodes than fit into memory."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """The optimizer; adamw is our choice for icons, SSP takes sgd with a rate of 1e-3 and a weight decay of 5e-4."""
    learning_rate: float = 3e-4
    """Size of a step at most; our choice for the embedded data, where 1e-3 and 3e-3 were worse on base classes."""
    weight_decay: float = 0.01
    """Decay of the weights in each step, by default that of PyTorch's AdamW; SSP takes 5e-4."""
    momentum: float = 0.9
    """Momentum of sgd (SSP)."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """Decay of the learning rate: to zero by half a cosine, or to a tenth at each milestone (SSP)."""
    milestones: tuple[float, float] = (1 / 3, 2 / 3)
    """When `steps` lowers the rate, as shares of the iterations (SSP)."""
    warmup: int = 20
    """Iterations of linear warm-up; our choice."""
    encoder_rate: float = 1.0
    """Factor on the learning rate of the image encoder."""
    mix_rate: float = 30.0
    """Factor on the learning rate of the numbers that mix the prototypes, which learn slowly; our choice."""
    text_dropout: float = 0.2
    """Share of episodes without the name of their class (the page on the method says why)."""
    output_stride: int = 0
    """Pixels per location of the image encoder in training, such as 8 for a coarser grid; 0 for its own."""
    precision: Precision = "auto"
    """Precision of training and validation; bfloat16 is autocast, auto takes it on GPUs that have it."""
    compile: bool = False
    """Compile the image encoder by torch.compile; the first step takes a minute or more, the others less."""
    workers: int = 0
    """Processes that draw episodes ahead; the episodes are the same for any number."""
    checkpoint_every: int = 100
    """Iterations between states from which a stopped run can continue."""
    validate_every: int = 200
    """Iterations between validations; the checkpoint is the best of them."""
    validation_episodes: int = 100
    """Episodes of a validation; our choice."""
    select_on: Literal["base", "novel"] = "base"
    """Classes whose validation selects the checkpoint; novel: those of the test fold, as every result then states."""
    curves: bool = False
    """Write curves for tensorboard (extra `curves`)."""
    seed: int = 0
    """Seed of the episodes and of the weights that start random."""

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}.")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, and is {getattr(self, name)}.")
        check_range(self, 0, inf, *_NOT_NEGATIVE, "milestones")
        check_range(self, 0, _MOST, *_AT_LEAST_ONE, "output_stride", "workers", "warmup")
        check_seeds(self.seed)
        if not 0 <= self.text_dropout <= 1:
            raise ConfigError(f"text_dropout is a share from 0 to 1, not {self.text_dropout}.")

    def without_free(self) -> TrainConfig:
        """The settings that change what a run computes; the others take their defaults."""
        return decode(TrainConfig, self.to_json())

    def to_json(self) -> dict[str, JSON]:
        """Plain values of the settings that change what a run computes."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE}
