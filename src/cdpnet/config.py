"""Every setting of the network, its loss and its training, with its source.

The source is the paper, SSP (arXiv 2207.11549) where the paper gives no number, or our choice. Torch is not imported.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from math import inf
from typing import Literal, TypedDict

from cdpnet.errors import ConfigError
from cdpnet.values import JSON, check_range, check_seeds, decode

Precision = Literal["auto", "float32", "bfloat16"]
QueryPrecision = Literal["float32", "attention", "bfloat16"]
"""Precision of large products when images are segmented; `attention`: bfloat16 in the AFBM alone."""
DenseAttention = Literal["plain", "value", "self"]
Names = Literal["exact", "category", "none", "wrong"]
NAMES: tuple[Names, ...] = ("exact", "category", "none", "wrong")
"""The name given for a class in an evaluation: its own, its category's, none, or another class's."""


@dataclass(frozen=True)
class EncoderConfig:
    """The encoders of images and names."""

    name: str = "tiny"
    """A named pair, or timm:NAME for any image model of timm."""
    text_tower: str = ""
    """Name of the text tower in open_clip, such as RN50-quickgelu; empty for the pair's own."""
    prompts: str = ""
    """Templates around a name: single, ensemble, full or tiny; empty for the pair's own."""
    dense_attention: DenseAttention = "plain"
    """CLIP transformers: attention of the last block; value and self put the tokens into the text space."""
    trained: str = "own"
    """Stages of the image encoder that are trained: own (those of the pair), frozen, last:N or all."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"own|frozen|all|last:[1-9]\d*", self.trained):
            raise ConfigError(f"encoder.trained is own, frozen, all or last:N, such as last:3, not {self.trained!r}.")


LEAST_KEYS = 16
"""Of the adaptive background: below, blocks are larger than objects."""


@dataclass(frozen=True)
class MatchingConfig:
    """Numbers of the match and of the AFBM; all but the last two are those of SSP."""

    temperature: float = 10.0
    foreground_threshold: float = 0.7
    background_threshold: float = 0.6
    fallback_locations: int = 12
    """Most probable locations taken where none is confident."""
    attention_scale: float = 2.0
    support_weight: float = 0.5
    """Weight of the support's foreground prototype against the query's own."""
    shared_background_weight: float = 0.3
    """Weight of the query's mean background against the adaptive one of each location."""
    refinement_weights: tuple[float, float, float] = (0.5, 0.2, 0.3)
    """Weights of the support, first and refined prototypes in the second match."""
    refined_share: float = 0.7
    """Weight of the second match in the output."""
    naming_temperature: float = 15.0
    """Temperature of the match with all names; our choice: where it was learned, it was 13 to 16."""
    keys: int | None = None
    """The most keys of the adaptive background, by pooling it, see `pool_keys`; None for exact. Our addition."""

    def __post_init__(self) -> None:
        check_range(self, 0, 1, "foreground_threshold", "background_threshold", "support_weight")
        check_range(self, 0, 1, "shared_background_weight", "refinement_weights", "refined_share")
        check_range(self, 0, inf, "temperature", "attention_scale", "naming_temperature")
        check_range(self, 1, inf, "fallback_locations")
        if self.keys is not None:
            check_range(self, LEAST_KEYS, inf, "keys")


@dataclass(frozen=True)
class Calibration:
    """A statistic of an image -> the probability that the class is in it, sigmoid(slope * (statistic - centre)).

    With the defaults every probability is a half, and no class is called absent.
    """

    slope: float = 0.0
    centre: float = 0.0
    threshold: float = 0.0
    """A class with a lower probability is called absent."""

    def __post_init__(self) -> None:
        check_range(self, -inf, inf, "slope", "centre")
        check_range(self, 0, 1, "threshold")


@dataclass(frozen=True)
class DecisionConfig:
    """The decision from logits to masks when images are labelled (our addition).

    `cdpnet calibrate` finds the numbers on base classes. Evaluation does not use them.
    """

    background: float = 0.0
    """Log-odds against its background that a class must exceed to take a pixel; 0 is the network's own answer."""
    locations: int = 12
    """Number of the best locations whose mean is the statistic; SSP's number of fallback locations."""
    margin: bool = False
    """Add the margin of the first match, foreground less background, to the statistic."""
    named: Calibration = field(default_factory=Calibration)
    """For classes with a name that the network reads; the statistic is the cosine of features and name."""
    unnamed: Calibration = field(default_factory=Calibration)
    """For other classes; the statistic is the cosine of features and foreground prototype."""

    def __post_init__(self) -> None:
        check_range(self, -inf, inf, "background")
        check_range(self, 1, inf, "locations")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the multi-prototype matching loss (part 4)."""

    output: float = 1.0
    """SSP"""
    adaptive: float = 1.0
    """SSP"""
    query_self: float = 1.0
    """SSP"""
    support_self: float = 0.2
    """SSP"""
    text: float = 0.2
    """Our choice, as the support's."""
    naming: float = 1.0
    """Our choice."""

    def __post_init__(self) -> None:
        check_range(self, 0, inf, *(field.name for field in dataclasses.fields(self)))


_MOST_WIDTH = 2**14  # of the fusion: ten times what any experiment had, and its weights still fit into memory


@dataclass(frozen=True)
class NetworkConfig:
    """The prototype network: its encoders, the four switches of the method, and their numbers."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    text_fusion: bool = True
    """Part 1: names are fused into the features."""
    multimodal_prototype: bool = True
    """Part 2: the foreground prototype mixes visual, fused and text prototypes."""
    adaptive_matching: bool = True
    """Part 3: the query makes prototypes of its own."""
    refinement: bool = True
    """Part 3, second match."""
    multi_prototype_loss: bool = True
    """Part 4: every match has a loss."""
    background_name: bool = True
    """Our addition to part 2: the background prototype mixes the word for background in, as the foreground the name."""
    naming: bool = True
    """Our addition to part 4: in training every location is matched with the names of all classes it may show."""
    part_prototypes: bool = False
    """Our addition to parts 2 and 3: every example has several prototypes too, and the nearest is matched."""
    text_only: bool = False
    """Control: the prototypes are the class name and the word for background; the supports are not looked at."""
    fusion_width: int = 256
    """Hidden channels of the fusion; our choice."""
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)

    def __post_init__(self) -> None:
        check_range(self, 1, _MOST_WIDTH, "fusion_width")

    @property
    def reads_names(self) -> bool:
        """Whether any part uses the class name."""
        return self.text_fusion or self.multimodal_prototype or self.text_only


class Switches(TypedDict, total=False):
    """Settings of `NetworkConfig` that methods and rows of the ablation turn on or off."""

    text_fusion: bool
    multimodal_prototype: bool
    background_name: bool
    naming: bool
    adaptive_matching: bool
    refinement: bool
    multi_prototype_loss: bool
    text_only: bool


_NO_TEXT = Switches(text_fusion=False, multimodal_prototype=False, background_name=False, naming=False)
_TEXT = Switches(text_fusion=True, multimodal_prototype=True, background_name=True, naming=True)
_NO_MATCHING = Switches(adaptive_matching=False, refinement=False, multi_prototype_loss=False)
_MATCHING = Switches(adaptive_matching=True, refinement=True, multi_prototype_loss=True)
METHODS: dict[str, Switches] = {
    "panet": {**_NO_TEXT, **_NO_MATCHING},
    "ssp": {**_NO_TEXT, **_MATCHING},
    "cdpn": {**_TEXT, **_MATCHING},
}


WITHOUT_TRAINING: dict[str, Switches] = {"photo": {"background_name": False, "naming": False}}
"""Parts that are left out over an encoder pair: `photo` works untrained, and these need training."""


def method(name: str, encoder: str | EncoderConfig = "tiny") -> NetworkConfig:
    """The configuration of a named method over an encoder pair. ConfigError for an unknown method."""
    if name not in METHODS:
        raise ConfigError(f"There is no method {name!r}; there are {', '.join(METHODS)}.")
    encoder = EncoderConfig(name=encoder) if isinstance(encoder, str) else encoder
    switches: Switches = {**METHODS[name], **WITHOUT_TRAINING.get(encoder.name, {})}
    photo = encoder.name == "photo"
    config = NetworkConfig(encoder=encoder, decision=DecisionConfig(margin=photo), part_prototypes=photo)
    return dataclasses.replace(config, **switches)


_AT_LEAST_ONE = ("iterations", "batch", "accumulate", "checkpoint_every", "validate_every", "validation_episodes")
_RATES = ("learning_rate", "weight_decay", "momentum", "warmup", "encoder_rate", "mix_rate")
_NOT_NEGATIVE = (*_RATES, "output_stride", "workers", "seed")
_FREE = ("workers", "checkpoint_every", "curves")  # settings that do not change what a run computes
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
    """Our choice for the embedded data; SSP takes sgd with a rate of 1e-3 and a weight decay of 5e-4."""
    learning_rate: float = 3e-4
    """Our choice for the embedded data; 1e-3 and 3e-3 were worse on base classes."""
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
        check_seeds(self.seed)
        if not 0 <= self.text_dropout <= 1:
            raise ConfigError(f"text_dropout is a share from 0 to 1, not {self.text_dropout}.")

    def without_free(self) -> TrainConfig:
        """The settings that change what a run computes; the others take their defaults."""
        return decode(TrainConfig, self.to_json())

    def to_json(self) -> dict[str, JSON]:
        """Plain values of the settings that change what a run computes."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE}
