"""Trainings and results on disk: those that are there with the same settings are loaded, not computed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from cdpnet.config import NetworkConfig, Precision, TrainConfig
from cdpnet.data.source import EpisodeSource
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.errors import CdpnetError
from cdpnet.evaluation.results import EvaluationResult, score
from cdpnet.io.documents import read_json
from cdpnet.io.fields import as_object
from cdpnet.io.files import write_json
from cdpnet.network.build import build_network
from cdpnet.network.checkpoint import read_config
from cdpnet.network.model_files import CONFIG_FILE
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.record import TrainingRecord
from cdpnet.runtime.devices import precision_on, resolve_device
from cdpnet.training.loop import Progress, train

ReportStage = Callable[[str, Progress | None], object]
"""Called with the stage of an experiment in words, and in a training with its progress."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation to run: ``count`` episodes for each of the seeds."""

    episodes: EpisodeSource
    count: int
    seeds: tuple[int, ...]
    precision: Precision = "float32"
    workers: int = 0
    device: torch.device | None = None
    refine: bool = False

    def is_answered_by(self, result: EvaluationResult, record: TrainingRecord | None) -> bool:
        """Whether the result is of this evaluation and of the checkpoint with this record."""
        return (
            result.rules == self.episodes.rules()
            and (result.episodes, result.seeds) == (self.count, self.seeds)
            and result.list_sha256 == tuple(self._list_sha256(seed) for seed in self.seeds)
            and result.precision == precision_on(self.device or resolve_device(), self.precision)
            and (result.record, result.refine) == (record, self.refine)
        )

    def _list_sha256(self, seed: int) -> str:
        return replace(self.episodes, seed=seed).list_sha256(self.count)


def train_or_load(
    config: NetworkConfig,
    episodes: EpisodeSource,
    training: TrainConfig,
    folder: Path,
    report: ReportStage,
    sources: WeightSources | None = None,
    device: torch.device | None = None,
) -> PrototypeNetwork:
    """The best checkpoint of the training in ``folder``, which starts, continues or is finished already.

    ConfigError where the folder holds a run with other settings.
    """
    torch.manual_seed(training.seed)
    device = device or resolve_device()
    network = build_network(config, sources).to(device)
    train(network, episodes, training, folder, lambda state: report(f"train {folder.name}", state), resume=True)
    loaded: PrototypeNetwork = PrototypeNetwork.from_pretrained(str(folder))
    return loaded.to(device)


def score_or_load(network: PrototypeNetwork, asked: Evaluation, path: Path, report: ReportStage) -> EvaluationResult:
    """The result in ``path`` if it is of this evaluation and this network, or a new one, written there."""
    found = load_result(asked, network.record, path)
    if found is not None:
        return found
    report(f"score {path.parent.name}, {path.stem}", None)
    result = score(
        network,
        asked.episodes,
        asked.count,
        asked.seeds,
        workers=asked.workers,
        precision=asked.precision,
        refine=asked.refine,
    )
    write_json(result.to_json(), path)
    return result


def load_result(asked: Evaluation, record: TrainingRecord | None, path: Path) -> EvaluationResult | None:
    """The result in ``path`` if it is of this evaluation and of the checkpoint with this record."""
    if not path.is_file():
        return None
    try:
        result = EvaluationResult.from_json(as_object(read_json(path), "the content"))
    except (CdpnetError, TypeError, ValueError):  # another version wrote it, or it is damaged
        return None
    return result if asked.is_answered_by(result, record) else None


def load_record(
    config: NetworkConfig, episodes: EpisodeSource, training: TrainConfig, folder: Path
) -> TrainingRecord | None:
    """The record of the checkpoint in ``folder``, if it is of this network and was trained with these settings."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return None
    found = read_config(path)
    if found.record is None or replace(found.network, decision=config.decision) != config:  # calibration may follow
        return None
    recorded = found.record.settings
    now = training.without_free(), episodes.settings().as_far_as(recorded.episodes)
    return found.record if (recorded.train, recorded.episodes) == now else None
