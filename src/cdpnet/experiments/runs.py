"""Trainings and scores that are kept on disk: what is done with the same settings is not done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cdpnet.config import NetworkConfig, Precision
from cdpnet.data.source import EpisodeSource
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.evaluation.results import score
from cdpnet.io.files import write_json
from cdpnet.network.build import build_network
from cdpnet.network.checkpoint import CONFIG_FILE
from cdpnet.network.network import PrototypeNetwork
from cdpnet.runtime.devices import precision_on, resolve_device
from cdpnet.training.config import TrainConfig, training_settings
from cdpnet.training.loop import Progress, train

Report = Callable[[str, Progress | None], object]
"""Told what is going on, with training's progress."""


@dataclass(frozen=True)
class Evaluation:
    """A score that is asked for: ``count`` episodes for each of the seeds."""

    episodes: EpisodeSource
    count: int
    seeds: tuple[int, ...]
    precision: Precision = "float32"
    workers: int = 0
    device: torch.device | None = None

    def says(self, record: dict[str, Any]) -> dict[str, Any]:
        """What stands in its result for the checkpoint with this record, but for the figures."""
        lists = [replace(self.episodes, seed=seed).list_sha256(self.count) for seed in self.seeds]
        said = {**asdict(self.episodes.rules()), "episodes": self.count, "seeds": self.seeds, "list_sha256": lists}
        said["precision"] = precision_on(self.device or resolve_device(), self.precision)
        return as_json({**said, "checkpoint": record})


def train_or_load(
    config: NetworkConfig,
    episodes: EpisodeSource,
    training: TrainConfig,
    folder: Path,
    report: Report,
    sources: WeightSources | None = None,
    device: torch.device | None = None,
) -> PrototypeNetwork:
    """The best checkpoint of the training in ``folder``, which is begun, gone on with, or found finished.

    ConfigError where the folder holds a run with other settings.
    """
    torch.manual_seed(training.seed)
    device = device or resolve_device()
    network = build_network(config, sources).to(device)
    train(network, episodes, training, folder, lambda state: report(f"train {folder.name}", state), resume=True)
    loaded: PrototypeNetwork = PrototypeNetwork.from_pretrained(str(folder))
    return loaded.to(device)


def score_or_load(network: PrototypeNetwork, asked: Evaluation, path: Path, report: Report) -> dict[str, Any]:
    """The result in ``path`` if it answers what is asked for this network, or a new one, written there."""
    found = load_result(asked, network.record, path)
    if found is not None:
        return found
    report(f"score {path.parent.name}, {path.stem}", None)
    result = score(network, asked.episodes, asked.count, asked.seeds, workers=asked.workers, precision=asked.precision)
    write_json(result, path)
    return result


def load_result(asked: Evaluation, record: dict[str, Any], path: Path) -> dict[str, Any] | None:
    """The result in ``path``, if it answers what is asked for the checkpoint with this record."""
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result if asked.says(record).items() <= result.items() else None


def load_record(folder: Path, training: TrainConfig) -> dict[str, Any] | None:
    """The record of the checkpoint in ``folder``, if it was trained with these settings."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["record"]
    return record if record.get("train") == as_json(training_settings(training)) else None


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """As they come back from a JSON file: tuples are lists there."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
