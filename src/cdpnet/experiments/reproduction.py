"""The tables of the paper: the data checked, the time told, networks trained once, and scored under each protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from cdpnet.config import TrainConfig, method
from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import default_length, open_episodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.registry import PROTOCOLS
from cdpnet.errors import ConfigError
from cdpnet.evaluation.results import score
from cdpnet.experiments.benchmark_table import Cell, Recipe, TableResult, run_table, table_cells
from cdpnet.experiments.config import ReproductionConfig
from cdpnet.experiments.runs import ReportStage
from cdpnet.io.scratch import scratch_folder
from cdpnet.network.build import build_network
from cdpnet.training.loop import train

NETWORKS = "networks"
_STEPS, _EPISODES = 3, 2  # that are timed


@dataclass(frozen=True)
class Estimate:
    """What a reproduction will take on this machine. steps, episodes: of all trainings and evaluations together."""

    networks: int
    steps: int
    step_seconds: float
    episodes: int
    episode_seconds: float

    @property
    def seconds(self) -> float:
        """Seconds of all of it."""
        return self.steps * self.step_seconds + self.episodes * self.episode_seconds


class _Part(NamedTuple):
    """A protocol with its settings, and what its networks are trained with."""

    protocol: str
    config: ReproductionConfig
    recipe: Recipe


def reproduce(
    config: ReproductionConfig, recipe: Recipe, out: Path, report: ReportStage
) -> Iterator[tuple[str, list[TableResult], Path]]:
    """Train and score all of it; gives each protocol with its results and the folder of its table.

    recipe: its data has the protocol of the trainings. Networks lie in ``out/networks``, one for each convention of the
    folds; a second call goes on from what is there. ConfigError and DataError as `run_table`.
    """
    for part in _parts(config, recipe, out):
        yield part.protocol, run_table(part.config, part.recipe, out / part.protocol, report), out / part.protocol


def estimate(config: ReproductionConfig, recipe: Recipe, out: Path) -> Estimate:
    """Time some steps and episodes of the first network, and multiply. Nothing is written to ``out``."""
    parts = _parts(config, recipe, out)
    networks = {cell.folder(part.recipe.networks or out) for part in parts for cell in _cells(part)}
    training = recipe.training
    validated = -(-training.iterations // training.validate_every) * training.validation_episodes
    asked = sum(_count(part) * len(cell.shots) for part in parts for cell in _cells(part))
    step, episode = _timed(parts[0])
    return Estimate(
        networks=len(networks),
        steps=len(networks) * training.iterations,
        step_seconds=step,
        episodes=asked + len(networks) * validated,
        episode_seconds=episode,
    )


def _parts(config: ReproductionConfig, recipe: Recipe, out: Path) -> list[_Part]:
    return [_Part(protocol, config, recipe_under(protocol, recipe, out)) for protocol in config.protocols]


def recipe_under(protocol: str, recipe: Recipe, out: Path) -> Recipe:
    """The recipe for an evaluation under a protocol; its networks never saw the classes that are novel there."""
    base = recipe.data.config
    kinds = {str(name): kind for name, kind in PROTOCOLS.items()}
    if protocol not in kinds:
        raise ConfigError(f"There is no protocol {protocol!r}; there are {', '.join(kinds)}.")
    splits = base.splits if kinds[protocol].reads_lists else ""
    asked = DataOnDisk(_with(base, protocol=protocol, splits=splits), recipe.data.report)
    trained = DataOnDisk(_with(base, splits=""), recipe.data.report)
    if trained.fold_convention != asked.fold_convention:
        trained = DataOnDisk(_with(trained.config, fold_convention=asked.fold_convention), recipe.data.report)
    return recipe._replace(data=asked, trained_on=trained, networks=out / NETWORKS / asked.fold_convention)


def _with(config: DataConfig, **values: str) -> DataConfig:
    return dataclasses.replace(config, **values)  # type: ignore[arg-type]


def _cells(part: _Part) -> Iterator[Cell]:
    return table_cells(part.config, part.recipe.data.config)


def _count(part: _Part) -> int:
    """Episodes of one evaluation, of all its seeds."""
    count, seeds = default_length(part.recipe.data.config)
    return (part.config.episodes or count) * len(part.config.seeds or seeds)


def _timed(part: _Part) -> tuple[float, float]:
    """Seconds of a step of training and of an episode of an evaluation, the mean over the numbers of shots."""
    recipe, cell = part.recipe, next(_cells(part))
    data = recipe.trained_on or recipe.data
    network = build_network(method(cell.method, recipe.encoder), recipe.sources).to(recipe.device or "cpu")
    episodes = open_episodes(data, cell.fold, cell.train_shots, "train", recipe.training.seed)
    times: list[float] = []
    with scratch_folder() as folder:
        train(network, episodes, _short(recipe.training), folder, lambda _: times.append(monotonic()))
    spent = 0.0
    for shots in part.config.shots:
        tested = open_episodes(recipe.data, cell.fold, shots, "test", 0)
        start = monotonic()
        score(network, tested, _EPISODES, (0,), precision=recipe.training.precision)
        spent += (monotonic() - start) / _EPISODES
    return times[1] - times[0], spent / len(part.config.shots)


def _short(training: TrainConfig) -> TrainConfig:
    """The settings of a training that only times its steps; the last one, which validates too, is not timed."""
    return dataclasses.replace(
        training, iterations=_STEPS, warmup=0, validate_every=_STEPS, validation_episodes=1, checkpoint_every=_STEPS
    )
