"""The figures of an evaluation, with the episodes, the network, the code and the machine that they come from."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Self

from scipy.stats import t
from torch import Tensor

from cdpnet.config import NetworkConfig, Precision
from cdpnet.data.protocols.folds import ALL_FOLDS
from cdpnet.data.source import EpisodeRules, EpisodeSource
from cdpnet.errors import ConfigError
from cdpnet.evaluation.loop import SegmentedBatch, evaluate
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.record import TrainingRecord, to_dict
from cdpnet.network.ssp import SSP_ENCODERS
from cdpnet.runtime.devices import precision_on
from cdpnet.runtime.metrics import SegmentationCounts
from cdpnet.runtime.provenance import Machine, commit, version
from cdpnet.runtime.text import counted, form
from cdpnet.values import JSON, decode


@dataclass(frozen=True)
class Figures:
    """Scores in percent over one run for each seed."""

    miou: float
    """Mean over the seeds."""
    miou_std: float | None
    """Standard deviation over the seeds; None for one seed."""
    miou_ci95: float | None
    """Half the width of the 95 % confidence interval of the mean by Student's t; None for one seed."""
    miou_of_seeds: tuple[float, ...]
    fb_iou: float
    """Mean over the seeds."""
    fb_iou_std: float | None
    per_class: dict[str, float]
    """IoU of each class of which there was an episode, pooled over the seeds."""


@dataclass(frozen=True)
class EvaluationResult:
    """Everything that a reader needs to compare the figures of an evaluation with others."""

    figures: Figures
    rules: EpisodeRules
    episodes: int
    """Number of episodes of each seed."""
    seeds: tuple[int, ...]
    list_sha256: tuple[str, ...]
    """Hash of the list of episodes, for each seed."""
    precision: Precision
    record: TrainingRecord | None
    """How the network was trained; None for one that was not."""
    network: NetworkConfig
    version: str
    commit: str | None
    machine: Machine
    seconds: float
    refine: bool = False
    """Whether edges were refined."""
    name_alone: bool = False
    """Whether the supports were left unused."""

    @property
    def trained_on(self) -> str:
        """The data of the training, as far as the checkpoint says."""
        if self.record:
            return self.record.settings.episodes.data
        return "unknown" if self.network.encoder.name in SSP_ENCODERS else "nothing"

    @property
    def novel_in_train(self) -> str:
        """What the training did with novel objects in its images: keep or drop."""
        return self.record.settings.episodes.novel_in_train if self.record else "unknown"

    @property
    def checkpoint_selection(self) -> str:
        """The classes whose validation selected the checkpoint, in words."""
        if self.record:
            return self.record.settings.checkpoint_selection
        return "unknown" if self.network.encoder.name in SSP_ENCODERS else "none"

    @property
    def drawn_episodes(self) -> str:
        """The episodes in words, such as 1,000 episodes of seed 0."""
        seeds = f"{form(len(self.seeds), 'seed', 'seeds')} {', '.join(map(str, self.seeds))}"
        return f"{counted(self.episodes, 'episode')} of {seeds}"

    def to_json(self) -> dict[str, JSON]:
        """Plain values; those of figures, rules and result lie on one level, the training's below `checkpoint`."""
        return {
            **dataclasses.asdict(self.figures),
            **dataclasses.asdict(self.rules),
            "episodes": self.episodes,
            "seeds": list(self.seeds),
            "list_sha256": list(self.list_sha256),
            "precision": self.precision,
            "trained_on": self.trained_on,
            "novel_in_train": self.novel_in_train,
            "checkpoint_selection": self.checkpoint_selection,
            "checkpoint": self.record.to_json() if self.record else {},
            "network": to_dict(self.network),
            "version": self.version,
            "commit": self.commit,
            "machine": dataclasses.asdict(self.machine),
            "seconds": self.seconds,
            "refine": self.refine,
            "name_alone": self.name_alone,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, JSON]) -> Self:
        """The result that `to_json` made plain; other keys are ignored. Raises TypeError where a key is missing."""
        found = values.get("checkpoint")
        record = TrainingRecord.from_json(found) if isinstance(found, dict) and found else None
        return decode(cls, {**values, "figures": values, "rules": values, "record": record})


def score(
    network: PrototypeNetwork,
    episodes: EpisodeSource,
    count: int,
    seeds: Sequence[int],
    *,
    workers: int = 0,
    precision: Precision = "float32",
    refine: bool = False,
    name_alone: bool = False,
    watch: Callable[[SegmentedBatch], object] | None = None,
) -> EvaluationResult:
    """Evaluate on ``count`` episodes of each seed.

    refine, name_alone: as in `evaluate`. watch: called with every batch that was segmented.
    ConfigError where the network was trained on masks of these classes.
    """
    start, code = time.monotonic(), commit()
    if episodes.split == "test":
        refuse_seen_classes(network.record, episodes)
    sources = [dataclasses.replace(episodes, seed=seed) for seed in seeds]
    runs = [
        evaluate(
            network,
            source,
            count,
            workers=workers,
            precision=precision,
            refine=refine,
            name_alone=name_alone,
            watch=watch,
        )
        for source in sources
    ]
    return EvaluationResult(
        figures=summarise(runs, episodes.class_names, episodes.classes_scored),
        rules=episodes.rules(),
        episodes=count,
        seeds=tuple(seeds),
        list_sha256=tuple(source.list_sha256(count) for source in sources),
        precision=precision_on(next(network.parameters()).device, precision),
        record=network.record,
        network=network.config,
        version=version(),
        commit=code,
        machine=Machine.current(),
        seconds=round(time.monotonic() - start, 1),
        refine=refine,
        name_alone=name_alone,
    )


def refuse_seen_classes(record: TrainingRecord | None, episodes: EpisodeSource) -> None:
    """ConfigError where the training had masks of the episodes' novel classes, in the same kind of images.

    Rendered icons and photographs are different kinds: a rendered cat says little about a photographed one.
    """
    trained = record.settings.episodes if record else None
    if trained is None or (trained.data == "icons") != (episodes.rules().data == "icons"):
        return
    seen = sorted(set(trained.classes) & set(episodes.novel_names))
    if seen:
        fold = "all folds" if trained.fold == ALL_FOLDS else f"fold {trained.fold}"
        raise ConfigError(
            f"The network was trained for {fold} of {trained.data}: {', '.join(seen[:5])}"
            f"{' ..' if len(seen) > 5 else ''}, asked for here, are not novel to it, it has seen their masks."
        )


def summarise(
    runs: Sequence[SegmentationCounts], class_names: Sequence[str], classes_scored: Tensor | None = None
) -> Figures:
    """The figures of one run for each seed, in percent.

    classes_scored: ids (n,) of the classes that the mean is taken over; by default those of which there was an episode.
    """
    miou, fb_iou = [run.miou(classes_scored) for run in runs], [run.fb_iou() for run in runs]
    spread = stdev(miou) if len(miou) > 1 else None
    half_width = None if spread is None else float(t.ppf(0.975, len(miou) - 1)) * spread / len(miou) ** 0.5
    pooled = sum(runs[1:], runs[0])
    per_class = {
        name: round(100 * iou, 2)
        for name, iou, drawn in zip(class_names, pooled.iou().tolist(), pooled.episodes.tolist(), strict=True)
        if drawn
    }
    return Figures(
        miou=round(mean(miou), 2),
        miou_std=None if spread is None else round(spread, 2),
        miou_ci95=None if half_width is None else round(half_width, 2),
        miou_of_seeds=tuple(round(value, 2) for value in miou),
        fb_iou=round(mean(fb_iou), 2),
        fb_iou_std=round(stdev(fb_iou), 2) if len(fb_iou) > 1 else None,
        per_class=per_class,
    )
