"""The paper's ablation and its controls: the same training and the same evaluations for every row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from cdpnet.config import NetworkConfig, TrainConfig, method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.evaluation.results import EvaluationResult
from cdpnet.experiments.ablation_rows import ROWS, AblationConfig, AblationRow
from cdpnet.experiments.runs import Evaluation, ReportStage, load_record, load_result, score_or_load, train_or_load
from cdpnet.io.files import write_json
from cdpnet.values import JSON

RESULTS_FILE = "ablation.json"


@dataclass(frozen=True)
class AblationResult:
    """The result of a row with a number of shots and a level of names."""

    row: str
    description: str
    result: EvaluationResult

    def to_json(self) -> dict[str, JSON]:
        """Plain values on one level."""
        return {"row": self.row, "says": self.description, **self.result.to_json()}


def ablate(
    config: AblationConfig,
    training: TrainConfig,
    out: Path,
    report: ReportStage,
    sources: WeightSources | None = None,
    device: torch.device | None = None,
) -> list[AblationResult]:
    """Train and score the rows with equal budgets, each in a folder of its own, unless they are there already.

    Returns the results of each row, number of shots and level of names that are on disk with these settings, in the
    order of `ROWS`, and writes them to `RESULTS_FILE`. ConfigError where a folder holds a run with other settings.
    """
    for row in ROWS:
        if config.rows and row.name not in config.rows:
            continue
        switched, episodes = _network(row), _training_episodes(config, training)
        network = train_or_load(switched, episodes, _budget(row, training), out / row.name, report, sources, device)
        for asked, path in _evaluations(row, config, training, out, device):
            score_or_load(network, asked, path, report)
    results = [result for row in ROWS for result in _finished(row, config, training, out, device)]
    write_json([result.to_json() for result in results], out / RESULTS_FILE)
    return results


def _network(row: AblationRow) -> NetworkConfig:
    return dataclasses.replace(method("cdpn"), **row.switches)


def _training_episodes(config: AblationConfig, training: TrainConfig) -> IconEpisodes:
    return IconEpisodes(config.fold, 1, "train", training.seed, category_share=config.category_share)


def _budget(row: AblationRow, training: TrainConfig) -> TrainConfig:
    """The same for every row, but for text dropout: a class without a name gives text alone nothing to learn from."""
    return dataclasses.replace(training, text_dropout=0.0) if row.switches.get("text_only") else training


def _evaluations(
    row: AblationRow, config: AblationConfig, training: TrainConfig, out: Path, device: torch.device | None
) -> Iterator[tuple[Evaluation, Path]]:
    """The evaluations of a row, and the files of their results."""
    for shots, names in product(config.shots, row.names):
        episodes = IconEpisodes(config.fold, shots, "test", names=names)
        asked = Evaluation(episodes, config.episodes, config.seeds, training.precision, device=device)
        yield asked, out / row.name / f"{shots}-shot-{names}.json"


def _finished(
    row: AblationRow, config: AblationConfig, training: TrainConfig, out: Path, device: torch.device | None
) -> list[AblationResult]:
    """The results of a row that are on disk and were trained and scored with these settings."""
    episodes = _training_episodes(config, training)
    record = load_record(_network(row), episodes, _budget(row, training), out / row.name)
    if record is None:
        return []
    found = [load_result(asked, record, path) for asked, path in _evaluations(row, config, training, out, device)]
    return [AblationResult(row.name, row.description, result) for result in found if result is not None]
