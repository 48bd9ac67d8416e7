"""Every setting of the network and its loss, with its source.

The source is the paper, SSP (arXiv 2207.11549) where the paper gives no number, or our choice. Torch is not imported.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, TypedDict

from cdpnet.errors import ConfigError
from cdpnet.values import check_range

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

    def pooled(self, shape: Sequence[int]) -> tuple[tuple[int, int], int] | None:
        """The grid h, w of features (B, C, h, w) and the most keys, where it has more locations than these."""
        height, width = shape[2:]
        return None if self.keys is None or height * width <= self.keys else ((height, width), self.keys)


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
    groups: bool = False
    """Compare visual and text channels apart, of an encoder that has both; the statistic is then their sum."""
    named: Calibration = field(default_factory=Calibration)
    """For classes with a name that the network reads; the statistic begins with the cosine of features and name."""
    unnamed: Calibration = field(default_factory=Calibration)
    """For other classes; the statistic begins with the cosine of features and foreground prototype."""
    threshold_rise: float = 0.0
    """Power, 0..1, of the number of examples by which the odds of a threshold of presence rise: the mean of more
    examples is more like every image, with the class or without."""

    def __post_init__(self) -> None:
        check_range(self, -inf, inf, "background")
        check_range(self, 1, inf, "locations")
        check_range(self, 0, 1, "threshold_rise")


@dataclass(frozen=True)
class LevelConfig:
    """Weights of what tells a good mask among those of an image, see `network/level.py` (our addition).

    `cdpnet levels` fits them. Where all are 0, every mask is cut at log-odds 0.
    """

    variance: float = 0.0
    """Of the logarithm of the variance of log-odds between inside and outside (Otsu's criterion)."""
    contrast: float = 0.0
    """Of the logarithm of the change of features across the outline."""
    outline: float = 0.0
    """Of the length of the outline, in units of the root of the area."""
    border: float = 0.0
    """Of the share of the image's border."""
    level: float = 0.0
    """Of the level itself."""
    distance: float = 0.0
    """Of its distance from 0."""

    def __post_init__(self) -> None:
        check_range(self, -inf, inf, *(field.name for field in dataclasses.fields(self)))


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
    """The prototype network: its encoders, the switches of its parts and of our additions, and their numbers."""

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
    enlarged_views: bool = False
    """Our addition to part 2: every example is seen twice, whole and enlarged around its object."""
    spread_logits: bool = False
    """Our addition to part 3: locations of the query with like features share their answer."""
    level: LevelConfig = field(default_factory=LevelConfig)
    """Our addition to part 3: the level of log-odds at which the mask of an image is cut."""
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


_PHOTO_LEVEL = LevelConfig(variance=1.38, contrast=0.94, outline=-0.25, border=-2.02, level=0.41, distance=-0.59)
"""As `cdpnet levels` fitted it on 180 photographs, see the manual's page on results."""
_PHOTO_RISE = 0.25
"""Keeps the share of false masks about where one example has it, see the manual's page on results."""


def method(name: str, encoder: str | EncoderConfig = "tiny") -> NetworkConfig:
    """The configuration of a named method over an encoder pair. ConfigError for an unknown method."""
    if name not in METHODS:
        raise ConfigError(f"There is no method {name!r}; there are {', '.join(METHODS)}.")
    encoder = EncoderConfig(name=encoder) if isinstance(encoder, str) else encoder
    switches: Switches = {**METHODS[name], **WITHOUT_TRAINING.get(encoder.name, {})}
    photo = encoder.name == "photo"
    config = NetworkConfig(
        encoder=encoder,
        decision=DecisionConfig(locations=3, groups=True, threshold_rise=_PHOTO_RISE) if photo else DecisionConfig(),
        part_prototypes=photo,
        enlarged_views=photo,
        spread_logits=photo,
        level=_PHOTO_LEVEL if photo else LevelConfig(),
    )
    return dataclasses.replace(config, **switches)
