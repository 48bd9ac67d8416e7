"""The settings of a training. Nothing heavy is imported here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from cdpnet.config import Precision
from cdpnet.errors import ConfigError

_FREE = ("workers", "checkpoint_every", "curves")  # settings that do not change what a run computes
SELECTIONS = {"base": "base classes", "novel": "novel classes of the test fold"}


@dataclass(frozen=True)
class TrainConfig:
    """The training of a network's own parts and of the trained stages of its image encoder."""

    iterations: int = 400
    """Optimizer steps; our choice for the embedded data (SSP on PASCAL: 6000)."""
    batch: int = 8
    """Episodes of a step in one process; our choice (SSP: 4)."""
    accumulate: int = 1
    """Such batches in a step, one after the other, for more episodes than fit into memory."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Our choice for the embedded data; SSP takes sgd with a rate of 1e-3 and a weight decay of 5e-4."""
    learning_rate: float = 3e-4
    """Our choice for the embedded data; 1e-3 and 3e-3 were worse on base classes."""
    weight_decay: float = 0.01
    momentum: float = 0.9
    """Of sgd (SSP)."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """To zero by half a cosine, or to a tenth at each milestone (SSP)."""
    milestones: tuple[float, float] = (1 / 3, 2 / 3)
    """Shares of the iterations (SSP)."""
    warmup: int = 20
    """Iterations of linear warm-up; our choice."""
    mix_rate: float = 30.0
    """Factor on the rate of the few numbers that mix the prototypes: scalars learn slowly; our choice."""
    text_dropout: float = 0.2
    """Share of episodes that go without their name (method, Names in training)."""
    output_stride: int = 0
    """Of the image encoder in training, where coarser is enough: a quarter of the locations; 0 for its own."""
    precision: Precision = "auto"
    """Of training and validation: bfloat16 is autocast; auto takes it on GPUs that have it."""
    compile: bool = False
    """Let torch.compile make the image encoder: faster steps after a first one of a minute or more; our choice."""
    workers: int = 0
    """Processes that draw episodes ahead; the episodes are the same for any number."""
    checkpoint_every: int = 100
    """Iterations between states that a stopped run can go on from."""
    validate_every: int = 200
    """Iterations between validations, which select the checkpoint."""
    validation_episodes: int = 100
    select_on: Literal["base", "novel"] = "base"
    """Whose validation selects; novel looks at the test fold, as some published code does, and every result says so."""
    curves: bool = False
    """Write curves for tensorboard (extra `curves`)."""
    seed: int = 0
    """Of the episodes and of the parts that start random."""

    def __post_init__(self) -> None:
        counts = ("iterations", "batch", "accumulate", "checkpoint_every", "validate_every", "validation_episodes")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}.")
        for name in (
            "learning_rate",
            "weight_decay",
            "momentum",
            "warmup",
            "mix_rate",
            "output_stride",
            "workers",
            "seed",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, and is {getattr(self, name)}.")
        if not 0 <= self.text_dropout <= 1:
            raise ConfigError(f"text_dropout is a share from 0 to 1, not {self.text_dropout}.")


def training_settings(config: TrainConfig) -> dict[str, object]:
    """Those that change what a run computes."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE}
