"""The paper's ablation and its controls: the same training and evaluation for every row, nothing of its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from cdpnet.config import METHODS, Names, method
from cdpnet.data.icons import IconEpisodes
from cdpnet.distributed import device_at_hand
from cdpnet.encoders import WeightSources
from cdpnet.errors import ConfigError
from cdpnet.files import write_json
from cdpnet.network import PrototypeNetwork, build_network
from cdpnet.network.checkpoint import CONFIG_FILE
from cdpnet.results import score
from cdpnet.train import Progress, TrainConfig, train, training_settings

RESULTS_FILE = "ablation.json"


@dataclass(frozen=True)
class Row:
    """A network of the ablation: its name, its switches, and the levels of names that it is scored with."""

    name: str
    says: str
    switches: dict[str, Any]
    names: tuple[Names, ...] = ("exact",)


def _row(name: str, says: str, *on: str, names: tuple[Names, ...] = ("exact",)) -> Row:
    return Row(name, says, {**METHODS["panet"], **dict.fromkeys(on, True)}, names)


_FUSION = ("text_fusion",)
_MSP = (*_FUSION, "multimodal_prototype")
_AFBM = (*_MSP, "adaptive_matching")
_REFINED = (*_AFBM, "refinement")
_WITHOUT_TEXT = ("adaptive_matching", "refinement", "multi_prototype_loss")
ROWS = (
    _row("panet", "plain prototypes"),
    _row("fusion", "+ text fusion", *_FUSION),
    _row("msp", "+ multi-modal prototype", *_MSP),
    _row("afbm", "+ adaptive matching", *_AFBM),
    _row("refined", "+ refinement", *_REFINED),
    Row("cdpn", "+ multi-prototype loss", METHODS["cdpn"], ("exact", "category", "none", "wrong")),
    Row("ssp", "without text", METHODS["ssp"]),
    _row("text", "text only", "text_fusion", "text_only", *_WITHOUT_TEXT, names=("exact", "category")),
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
    report: Callable[[str, Progress | None], object],
    sources: WeightSources | None = None,
) -> list[dict[str, Any]]:
    """Train and score the rows with equal budgets, each in a folder of its own; what is done is not done again.

    Returns one entry for each row, shot and level of names that is done with these settings, in the order of `ROWS`,
    and writes them to `RESULTS_FILE`. report: called with what is going on, and with training's progress. ConfigError
    where a folder holds a run with other settings.
    """
    episodes = IconEpisodes(config.fold, 1, "train", training.seed, category_share=config.category_share)
    for row in ROWS:
        if config.rows and row.name not in config.rows:
            continue
        network = _trained(row, episodes, _budget(row, training), out / row.name, report, sources)
        for shots, names in product(config.shots, row.names):
            _scored(network, row, shots, names, config, out / row.name, report)
    results = [entry for row in ROWS for entry in _finished(row, config, _budget(row, training), out / row.name)]
    write_json(results, out / RESULTS_FILE)
    return results


def _budget(row: Row, training: TrainConfig) -> TrainConfig:
    """The same for every row; but without its name the text alone would have nothing to learn from."""
    return dataclasses.replace(training, text_dropout=0.0) if row.switches.get("text_only") else training


def _trained(
    row: Row,
    episodes: IconEpisodes,
    training: TrainConfig,
    folder: Path,
    report: Callable[[str, Progress | None], object],
    sources: WeightSources | None,
) -> PrototypeNetwork:
    """The checkpoint of a row; a run that is finished is not trained on."""
    torch.manual_seed(training.seed)
    network = build_network(dataclasses.replace(method("cdpn"), **row.switches), sources).to(device_at_hand())
    train(network, episodes, training, folder, lambda state: report(f"train {row.name}", state), resume=True)
    loaded: PrototypeNetwork = PrototypeNetwork.from_pretrained(str(folder))
    return loaded.to(device_at_hand())


def _scored(
    network: PrototypeNetwork,
    row: Row,
    shots: int,
    names: Names,
    config: AblationConfig,
    folder: Path,
    report: Callable[[str, Progress | None], object],
) -> None:
    path = _result_path(folder, shots, names)
    if path.is_file() and _fits(_read(path), config, network.record):
        return
    report(f"score {row.name}, {shots}-shot, names {names}", None)
    episodes = IconEpisodes(config.fold, shots, "test", names=names)
    write_json(score(network, episodes, config.episodes, config.seeds), path)


def _finished(row: Row, config: AblationConfig, training: TrainConfig, folder: Path) -> list[dict[str, Any]]:
    """The results of a row that are on disk and were trained and scored with these settings."""
    about = folder / CONFIG_FILE
    record = _read(about)["record"] if about.is_file() else {}
    if record.get("train") != json.loads(json.dumps(training_settings(training))):
        return []
    found = []
    for shots, names in product(config.shots, row.names):
        path = _result_path(folder, shots, names)
        if path.is_file() and _fits(result := _read(path), config, record):
            found.append({"row": row.name, "says": row.says, **result})
    return found


def _fits(result: dict[str, Any], config: AblationConfig, record: dict[str, Any]) -> bool:
    """Whether a result is of this checkpoint and of these episodes."""
    asked = (config.fold, config.episodes, list(config.seeds), record)
    return (result["fold"], result["episodes"], result["seeds"], result["checkpoint"]) == asked


def _read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _result_path(folder: Path, shots: int, names: Names) -> Path:
    return folder / f"{shots}-shot-{names}.json"
