"""A whole table of a benchmark: methods, folds and numbers of shots, all trained and scored alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from cdpnet.config import METHODS, EncoderConfig, TrainConfig, method
from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import default_length, open_episodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.source import EpisodeSource
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.evaluation.results import EvaluationResult
from cdpnet.experiments.config import TableConfig
from cdpnet.experiments.runs import Evaluation, ReportStage, load_record, load_result, score_or_load, train_or_load
from cdpnet.io.files import write_json
from cdpnet.network.network import PrototypeNetwork
from cdpnet.values import JSON

RESULTS_FILE = "results.json"


class Recipe(NamedTuple):
    """The data and the settings that all networks of the table are trained with.

    trained_on: the data of the trainings, where it is not that of the evaluations. networks: folder of the trained
    networks, by default that of the results.
    """

    data: DataOnDisk
    encoder: EncoderConfig
    training: TrainConfig
    category_share: float | None
    sources: WeightSources
    device: torch.device | None = None
    trained_on: DataOnDisk | None = None
    networks: Path | None = None


@dataclass(frozen=True)
class TableResult:
    """The result of a method, which was trained for a fold and scored with a number of shots."""

    method: str
    result: EvaluationResult

    def to_json(self) -> dict[str, JSON]:
        """Plain values on one level."""
        return {"method": self.method, **self.result.to_json()}


class Cell(NamedTuple):
    """A network of the table, and the numbers of shots that it is scored with."""

    method: str
    fold: int
    train_shots: int
    shots: tuple[int, ...]

    def folder(self, out: Path) -> Path:
        """The folder of the network, or of its results."""
        return out / f"{self.method}-fold{self.fold}-{self.train_shots}shot"

    def result(self, out: Path, shots: int, config: TableConfig) -> Path:
        """The file of the result with a number of shots."""
        kind = "-unnamed" * (config.names == "none") + "-refined" * config.refine
        return self.folder(out) / f"{shots}-shot{kind}.json"


def run_table(config: TableConfig, recipe: Recipe, out: Path, report: ReportStage) -> list[TableResult]:
    """Train and score every cell, each in a folder of its own, unless it is there already.

    Returns the results of all methods, folds and numbers of shots that are on disk with these settings, also those of
    an earlier call, and writes them to `RESULTS_FILE` after each cell. ConfigError where a folder holds a run with
    other settings.
    """
    whole = dataclasses.replace(config, methods=tuple(METHODS), folds=())
    results: list[TableResult] = []
    for cell in table_cells(config, recipe.data.config):
        network = _network(cell, recipe, cell.folder(recipe.networks or out), report)
        cell.folder(out).mkdir(parents=True, exist_ok=True)
        for shots in cell.shots:
            score_or_load(network, _evaluation(cell, shots, config, recipe), cell.result(out, shots, config), report)
        results = [
            result for other in table_cells(whole, recipe.data.config) for result in _done(other, config, recipe, out)
        ]
        write_json([result.to_json() for result in results], out / RESULTS_FILE)
    return results


def _done(cell: Cell, config: TableConfig, recipe: Recipe, out: Path) -> Iterator[TableResult]:
    """The results of a cell that are on disk and were trained and scored with these settings."""
    folder = cell.folder(recipe.networks or out)
    record = load_record(method(cell.method, recipe.encoder), _training_episodes(cell, recipe), recipe.training, folder)
    if record is None:
        return
    for shots in cell.shots:
        result = load_result(_evaluation(cell, shots, config, recipe), record, cell.result(out, shots, config))
        if result is not None:
            yield TableResult(cell.method, result)


def _network(cell: Cell, recipe: Recipe, folder: Path, report: ReportStage) -> PrototypeNetwork:
    """The trained network of a cell."""
    config, episodes = method(cell.method, recipe.encoder), _training_episodes(cell, recipe)
    return train_or_load(config, episodes, recipe.training, folder, report, recipe.sources, recipe.device)


def _training_episodes(cell: Cell, recipe: Recipe) -> EpisodeSource:
    """The episodes that the network of a cell is trained on."""
    data, seed = recipe.trained_on or recipe.data, recipe.training.seed
    return open_episodes(data, cell.fold, cell.train_shots, "train", seed, category_share=recipe.category_share)


def _evaluation(cell: Cell, shots: int, config: TableConfig, recipe: Recipe) -> Evaluation:
    """The evaluation of a cell with a number of shots."""
    count, seeds = default_length(recipe.data.config)
    seeds = config.seeds or seeds
    episodes = open_episodes(recipe.data, cell.fold, shots, "test", seeds[0], names=config.names)
    training, count = recipe.training, config.episodes or count
    return Evaluation(
        episodes, count, seeds, training.precision, training.workers, device=recipe.device, refine=config.refine
    )


def table_cells(config: TableConfig, data: DataConfig) -> Iterator[Cell]:
    """Fold by fold, so that a stopped table has all methods for its folds."""
    for fold in config.folds or range(data.n_folds):
        for name in config.methods:
            if config.train_shots:
                yield Cell(name, fold, config.train_shots, config.shots)
            else:
                yield from (Cell(name, fold, shots, (shots,)) for shots in config.shots)
