"""A whole table of a benchmark: methods, folds and numbers of shots, all trained and scored alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cdpnet.config import METHODS, EncoderConfig, method
from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import default_length, open_episodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.errors import ConfigError
from cdpnet.experiments.runs import Evaluation, Report, load_record, load_result, score_or_load, train_or_load
from cdpnet.io.files import write_json
from cdpnet.network.network import PrototypeNetwork
from cdpnet.training.config import TrainConfig

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class TableConfig:
    """What stands in the table."""

    methods: tuple[str, ...] = ("panet", "ssp", "cdpn")
    """Its rows."""
    folds: tuple[int, ...] = ()
    """By default all of the data set."""
    shots: tuple[int, ...] = (1, 5)
    """Labelled examples in an episode of the tests."""
    train_shots: int = 0
    """In an episode of training; 0 trains a network for each number of shots, as SSP does."""
    episodes: int = 0
    """Of a test and a seed; 0 for the protocol's number."""
    seeds: tuple[int, ...] = ()
    """Of the tests' episodes; by default the protocol's."""

    def __post_init__(self) -> None:
        for name in self.methods:
            method(name)
        if not self.methods or not self.shots or min(self.shots) < 1 or min(self.train_shots, self.episodes) < 0:
            raise ConfigError("A table needs a method, numbers of shots of at least 1, and no negative number.")
        for name in ("methods", "folds", "shots", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} must all be different, and are {', '.join(map(str, values))}.")


class Recipe(NamedTuple):
    """How every network of the table is made."""

    data: DataOnDisk
    encoder: EncoderConfig
    training: TrainConfig
    category_share: float | None
    sources: WeightSources
    device: torch.device | None = None


class _Cell(NamedTuple):
    """A network of the table, and the numbers of shots that it is scored with."""

    method: str
    fold: int
    train_shots: int
    shots: tuple[int, ...]

    def folder(self, out: Path) -> Path:
        return out / f"{self.method}-fold{self.fold}-{self.train_shots}shot"

    def result(self, out: Path, shots: int) -> Path:
        return self.folder(out) / f"{shots}-shot.json"


def run_table(config: TableConfig, recipe: Recipe, out: Path, report: Report) -> list[dict[str, Any]]:
    """Train and score every cell, each in a folder of its own; what is done is not done again.

    Returns a result for each method, fold and number of shots that is done with these settings, also in an earlier
    call, and writes them to `RESULTS_FILE` after each cell, so a stopped table shows what it has. ConfigError where a
    folder holds a run with other settings.
    """
    whole = dataclasses.replace(config, methods=tuple(METHODS), folds=())
    results: list[dict[str, Any]] = []
    for cell in _cells(config, recipe.data.config):
        network = _network(cell, recipe, cell.folder(out), report)
        for shots in cell.shots:
            score_or_load(network, _evaluation(cell, shots, config, recipe), cell.result(out, shots), report)
        results = [
            result for other in _cells(whole, recipe.data.config) for result in _done(other, config, recipe, out)
        ]
        write_json(results, out / RESULTS_FILE)
    return results


def _done(cell: _Cell, config: TableConfig, recipe: Recipe, out: Path) -> Iterator[dict[str, Any]]:
    """The results of a cell that are on disk and were trained and scored with these settings."""
    record = load_record(cell.folder(out), recipe.training)
    if record is None:
        return
    for shots in cell.shots:
        result = load_result(_evaluation(cell, shots, config, recipe), record, cell.result(out, shots))
        if result is not None:
            yield {"method": cell.method, **result}


def _network(cell: _Cell, recipe: Recipe, folder: Path, report: Report) -> PrototypeNetwork:
    """The trained network of a cell."""
    config = dataclasses.replace(method(cell.method), encoder=recipe.encoder)
    seed, share = recipe.training.seed, recipe.category_share
    episodes = open_episodes(recipe.data, cell.fold, cell.train_shots, "train", seed, category_share=share)
    return train_or_load(config, episodes, recipe.training, folder, report, recipe.sources, recipe.device)


def _evaluation(cell: _Cell, shots: int, config: TableConfig, recipe: Recipe) -> Evaluation:
    """What a cell is scored on."""
    count, seeds = default_length(recipe.data.config)
    seeds = config.seeds or seeds
    episodes = open_episodes(recipe.data, cell.fold, shots, "test", seeds[0])
    training = recipe.training
    return Evaluation(
        episodes, config.episodes or count, seeds, training.precision, training.workers, device=recipe.device
    )


def _cells(config: TableConfig, data: DataConfig) -> Iterator[_Cell]:
    """Fold by fold, so that a stopped table compares the methods on what it has."""
    for fold in config.folds or range(data.n_folds):
        for name in config.methods:
            if config.train_shots:
                yield _Cell(name, fold, config.train_shots, config.shots)
            else:
                yield from (_Cell(name, fold, shots, (shots,)) for shots in config.shots)
