"""The paper's ablation and its controls: the same training and evaluation for every row, nothing of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from cdpnet.config import METHODS, Names, method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.errors import ConfigError
from cdpnet.experiments.runs import Evaluation, Report, load_record, load_result, score_or_load, train_or_load
from cdpnet.io.files import write_json
from cdpnet.training.config import TrainConfig

RESULTS_FILE = "ablation.json"


@dataclass(frozen=True)
class AblationRow:
    """A network of the ablation: its name, its switches, and the levels of names that it is scored with."""

    name: str
    says: str
    switches: dict[str, Any]
    names: tuple[Names, ...] = ("exact",)


def _ablation_row(name: str, says: str, *on: str, names: tuple[Names, ...] = ("exact",)) -> AblationRow:
    return AblationRow(name, says, {**METHODS["panet"], **dict.fromkeys(on, True)}, names)


_FUSION = ("text_fusion",)
_MSP = (*_FUSION, "multimodal_prototype")
_AFBM = (*_MSP, "adaptive_matching")
_REFINED = (*_AFBM, "refinement")
_PAPER = (*_REFINED, "multi_prototype_loss")
_NO_SUPPORT = {"multimodal_prototype": False, "background_name": False}  # what prototypes of the supports consist of
ROWS = (
    _ablation_row("panet", "plain prototypes"),
    _ablation_row("fusion", "+ text fusion", *_FUSION),
    _ablation_row("msp", "+ multi-modal prototype", *_MSP),
    _ablation_row("afbm", "+ adaptive matching", *_AFBM),
    _ablation_row("refined", "+ refinement", *_REFINED),
    _ablation_row("paper", "+ multi-prototype loss", *_PAPER),
    _ablation_row("background", "+ the background's name (ours)", *_PAPER, "background_name"),
    AblationRow("cdpn", "+ a loss on all names (ours)", METHODS["cdpn"], ("exact", "category", "none", "wrong")),
    AblationRow("ssp", "without text", METHODS["ssp"]),
    AblationRow("text", "text only", {**METHODS["cdpn"], **_NO_SUPPORT, "text_only": True}, ("exact", "category")),
)


@dataclass(frozen=True)
class AblationConfig:
    """What every row gets."""

    fold: int = 0
    """Fold whose classes stay novel."""
    shots: tuple[int, ...] = (1, 5)
    """Labelled examples in the episodes of the evaluations; training takes one."""
    episodes: int = 1000
    """Episodes of an evaluation and a seed."""
    seeds: tuple[int, ...] = (0,)
    """Of the evaluations' episodes."""
    category_share: float = 0.2
    """Share of training episodes that are named by the category."""
    rows: tuple[str, ...] = ()
    """Rows to train and score in this call, such as panet, fusion; by default all."""

    def __post_init__(self) -> None:
        if min((self.episodes, *self.shots), default=0) < 1 or not self.shots or not self.seeds:
            raise ConfigError("An ablation needs at least one episode, at least one number of shots, and a seed.")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"The seeds {list(self.seeds)} are not all different.")
        for name in self.rows:
            if name not in {row.name for row in ROWS}:
                raise ConfigError(f"There is no row {name!r}; there are {', '.join(row.name for row in ROWS)}.")


def ablate(
    config: AblationConfig,
    training: TrainConfig,
    out: Path,
    report: Report,
    sources: WeightSources | None = None,
    device: torch.device | None = None,
) -> list[dict[str, Any]]:
    """Train and score the rows with equal budgets, each in a folder of its own; what is done is not done again.

    Returns one entry for each row, shot and level of names that is done with these settings, in the order of `ROWS`,
    and writes them to `RESULTS_FILE`. ConfigError where a folder holds a run with other settings.
    """
    episodes = IconEpisodes(config.fold, 1, "train", training.seed, category_share=config.category_share)
    for row in ROWS:
        if config.rows and row.name not in config.rows:
            continue
        switched = dataclasses.replace(method("cdpn"), **row.switches)
        network = train_or_load(switched, episodes, _budget(row, training), out / row.name, report, sources, device)
        for asked, path in _evaluations(row, config, training, out, device):
            score_or_load(network, asked, path, report)
    results = [entry for row in ROWS for entry in _finished(row, config, _budget(row, training), out, device)]
    write_json(results, out / RESULTS_FILE)
    return results


def _budget(row: AblationRow, training: TrainConfig) -> TrainConfig:
    """The same for every row; but without its name the text alone would have nothing to learn from."""
    return dataclasses.replace(training, text_dropout=0.0) if row.switches.get("text_only") else training


def _evaluations(
    row: AblationRow, config: AblationConfig, training: TrainConfig, out: Path, device: torch.device | None
) -> Iterator[tuple[Evaluation, Path]]:
    """What a row is scored on, and where the results are kept."""
    for shots, names in product(config.shots, row.names):
        episodes = IconEpisodes(config.fold, shots, "test", names=names)
        asked = Evaluation(episodes, config.episodes, config.seeds, training.precision, device=device)
        yield asked, out / row.name / f"{shots}-shot-{names}.json"


def _finished(
    row: AblationRow, config: AblationConfig, training: TrainConfig, out: Path, device: torch.device | None
) -> list[dict[str, Any]]:
    """The results of a row that are on disk and were trained and scored with these settings."""
    record = load_record(out / row.name, training)
    if record is None:
        return []
    found = [load_result(asked, record, path) for asked, path in _evaluations(row, config, training, out, device)]
    return [{"row": row.name, "says": row.says, **result} for result in found if result is not None]
