"""What a checkpoint says in JSON: the configuration of the network and the record of its training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from cdpnet.config import NetworkConfig, TrainConfig
from cdpnet.data.source import TrainingEpisodes
from cdpnet.errors import ConfigError
from cdpnet.values import JSON, decode


def to_dict(config: NetworkConfig) -> dict[str, JSON]:
    """Plain values for a JSON file; keys of the match are left out where exact, as in the files of before."""
    values = dataclasses.asdict(config)
    if config.matching.keys is None:
        del values["matching"]["keys"]
    return values


def from_dict(values: object) -> NetworkConfig:
    """The configuration of a JSON file. ConfigError for a key that is not a setting, or a value of another kind."""
    try:
        return decode(NetworkConfig, values, strict=True)
    except TypeError as error:
        raise ConfigError(f"The network configuration does not fit this version of cdpnet: {error}.") from None


@dataclass(frozen=True)
class RunSettings:
    """Everything besides the network's configuration that decides what a training computes."""

    episodes: TrainingEpisodes
    checkpoint_selection: str
    """The classes whose validation selects the checkpoint, in words."""
    processes: int
    """Number of processes that train together."""
    train: TrainConfig
    """Settings that do not change what a run computes have their defaults."""
    frozen: str
    """Hash of the weights that training does not change."""
    validation_list: str = ""
    """SHA-256 of the list of validation episodes."""
    validation_data: str = ""
    """SHA-256 of the validation images and labels, where they are on disk."""

    def to_json(self) -> dict[str, JSON]:
        """Plain values on one level; the settings of the training lie below `train`."""
        return {
            **dataclasses.asdict(self.episodes),
            "checkpoint_selection": self.checkpoint_selection,
            "processes": self.processes,
            "train": self.train.to_json(),
            "frozen": self.frozen,
            "validation_list": self.validation_list,
            "validation_data": self.validation_data,
        }

    def as_far_as(self, recorded: Self) -> Self:
        """These settings without those that ``recorded``, of a version before 0.3, does not tell."""
        validation = self.validation_data if recorded.validation_data else ""
        return replace(self, episodes=self.episodes.as_far_as(recorded.episodes), validation_data=validation)

    @classmethod
    def from_json(cls, values: Mapping[str, JSON]) -> Self:
        """The settings that `to_json`, also that of version 0.1, made plain; other keys are ignored.

        Raises TypeError where one is missing.
        """
        images = values.get("images", values.get("pictures", ""))  # the key of version 0.1
        return decode(cls, {**values, "episodes": {**values, "images": images}})


@dataclass(frozen=True)
class TrainingRecord:
    """The training of a checkpoint, and when it was taken."""

    settings: RunSettings
    iteration: int
    """Optimizer steps that were done."""
    validation_miou: float
    """In percent."""

    def to_json(self) -> dict[str, JSON]:
        """Plain values on one level."""
        return {
            **self.settings.to_json(),
            "iteration": self.iteration,
            "validation_miou": self.validation_miou,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, JSON]) -> Self:
        """The record that `to_json`, also that of version 0.1, made plain. Raises TypeError where a key is missing."""
        return decode(cls, {**values, "settings": RunSettings.from_json(values)})
