"""Every number of the network and its loss, with its source: the paper, SSP where it is silent, or our choice.

SSP is arXiv 2207.11549.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from cdpnet.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16"]
QueryPrecision = Literal["float32", "attention", "bfloat16"]
"""Of large products when images are segmented: `attention` has those of the AFBM alone in bfloat16."""
DenseAttention = Literal["plain", "value", "self"]
Names = Literal["exact", "category", "none", "wrong"]
NAMES: tuple[Names, ...] = ("exact", "category", "none", "wrong")
"""What a class is called in an evaluation: by its name, its category, not at all, or by another class's name."""


@dataclass(frozen=True)
class EncoderConfig:
    """Which encoders see the images and read the names."""

    name: str = "tiny"
    """A named pair, or timm:NAME for any image model of timm."""
    text_tower: str = ""
    """Text tower in open_clip's words, such as RN50-quickgelu; empty for the pair's own."""
    prompts: str = ""
    """Templates around a name: single, ensemble, full or tiny; empty for the pair's own."""
    dense_attention: DenseAttention = "plain"
    """CLIP transformers: attention of the last block; value and self put the tokens into the text space."""


@dataclass(frozen=True)
class MatchingConfig:
    """Numbers of the match and of the AFBM, from SSP but for the last."""

    temperature: float = 10.0
    foreground_threshold: float = 0.7
    background_threshold: float = 0.6
    fallback_locations: int = 12
    """Most probable locations taken where none is confident."""
    attention_scale: float = 2.0
    support_weight: float = 0.5
    """Of the support's foreground prototype against the query's own."""
    shared_background_weight: float = 0.3
    """Of the query's mean background against the adaptive one of each location."""
    refinement_weights: tuple[float, float, float] = (0.5, 0.2, 0.3)
    """Support, first and refined prototypes in the second match."""
    refined_share: float = 0.7
    """Of the second match in the output."""
    naming_temperature: float = 15.0
    """Of the match with all names; our choice: learned, it came to 13 to 16."""


@dataclass(frozen=True)
class Calibration:
    """A statistic of an image -> the probability that the class is there, sigmoid(slope * (statistic - centre)).

    As it stands, nothing is known: every probability is a half, and no class is called absent.
    """

    slope: float = 0.0
    centre: float = 0.0
    threshold: float = 0.0
    """A class that is less probable is called absent."""


@dataclass(frozen=True)
class DecisionConfig:
    """When a pixel is background, and when a class absent, for those who label (our addition).

    `cdpnet calibrate` finds the numbers on base classes. Evaluation does not use them.
    """

    background: float = 0.0
    """Log-odds against its background that a class must exceed to take a pixel; 0 is the network's own answer."""
    locations: int = 12
    """Best locations that are looked at; SSP's number of fallback locations."""
    named: Calibration = field(default_factory=Calibration)
    """For classes whose name is read: the cosine of features and name."""
    unnamed: Calibration = field(default_factory=Calibration)
    """For the others: the cosine of features and foreground prototype."""


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
    text_only: bool = False
    """Control: the prototypes are the class name and the word for background; the supports are not looked at."""
    fusion_width: int = 256
    """Hidden channels of the fusion; our choice."""
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)

    @property
    def reads_names(self) -> bool:
        """Whether any part uses the class name."""
        return self.text_fusion or self.multimodal_prototype or self.text_only


_TEXT = ("text_fusion", "multimodal_prototype", "background_name", "naming")
_MATCHING = ("adaptive_matching", "refinement", "multi_prototype_loss")
METHODS: dict[str, dict[str, Any]] = {
    "panet": dict.fromkeys((*_TEXT, *_MATCHING), False),
    "ssp": {**dict.fromkeys(_TEXT, False), **dict.fromkeys(_MATCHING, True)},
    "cdpn": dict.fromkeys((*_TEXT, *_MATCHING), True),
}


def method(name: str, encoder: str = "tiny") -> NetworkConfig:
    """The configuration of a named method over a named encoder pair. ConfigError for an unknown method."""
    if name not in METHODS:
        raise ConfigError(f"There is no method {name!r}; there are {', '.join(METHODS)}.")
    return dataclasses.replace(NetworkConfig(encoder=EncoderConfig(name=encoder)), **METHODS[name])


def to_dict(config: NetworkConfig) -> dict[str, Any]:
    """Plain values for a JSON file."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> NetworkConfig:
    """The configuration of a JSON file. ConfigError for a key that is not a setting."""
    parts: dict[str, Any] = {
        "encoder": EncoderConfig,
        "matching": MatchingConfig,
        "loss": LossConfig,
        "decision": _decision,
    }
    try:
        built = {key: parts[key](**value) if key in parts else value for key, value in values.items()}
        if "matching" in built:
            weights = tuple(built["matching"].refinement_weights)  # JSON has no tuples
            built["matching"] = dataclasses.replace(built["matching"], refinement_weights=weights)
        return NetworkConfig(**built)
    except TypeError as error:
        raise ConfigError(f"The network configuration does not fit this version of cdpnet: {error}.") from None


def _decision(**values: Any) -> DecisionConfig:
    """The part of a JSON file that has parts of its own."""
    calibrations = {key: Calibration(**value) for key, value in values.items() if isinstance(value, dict)}
    return DecisionConfig(**{**values, **calibrations})
