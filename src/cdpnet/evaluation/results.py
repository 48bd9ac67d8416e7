"""A figure and everything that must be said beside it: data, protocol, seeds, list, selection, code and machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from statistics import mean, stdev
from typing import Any

from scipy.stats import t
from torch import Tensor

from cdpnet.config import Precision, to_dict
from cdpnet.data.source import EpisodeSource
from cdpnet.errors import ConfigError
from cdpnet.evaluation.loop import SegmentedBatch, evaluate
from cdpnet.network.network import PrototypeNetwork
from cdpnet.runtime.devices import precision_on
from cdpnet.runtime.metrics import SegmentationCounts
from cdpnet.runtime.provenance import commit, machine, version


def score(
    network: PrototypeNetwork,
    episodes: EpisodeSource,
    count: int,
    seeds: Sequence[int],
    *,
    workers: int = 0,
    precision: Precision = "float32",
    watch: Callable[[SegmentedBatch], object] | None = None,
) -> dict[str, Any]:
    """Evaluate on ``count`` episodes of each seed; all that a reader needs to compare the figure, ready for JSON.

    Figures are in percent: `miou` and `fb_iou` are means over the seeds, `miou_std` their standard deviation (None for
    one seed) and `miou_ci95` half the width of the mean's 95 % confidence interval by Student's t; `per_class` is
    pooled over all seeds. ConfigError where the network has seen masks of these classes.
    """
    start, code = time.monotonic(), commit()
    record = network.record
    rules = episodes.rules()
    if episodes.split == "test":
        refuse_seen_classes(record, episodes)
    lists = [replace(episodes, seed=seed) for seed in seeds]
    runs = [evaluate(network, source, count, workers=workers, precision=precision, watch=watch) for source in lists]
    return {
        **figures(runs, episodes.class_names, episodes.classes_scored),
        **asdict(rules),
        "episodes": count,
        "seeds": list(seeds),
        "list_sha256": [source.list_sha256(count) for source in lists],
        "precision": precision_on(next(network.parameters()).device, precision),
        "trained_on": record.get("data", "nothing"),
        "novel_in_train": record.get("novel_in_train", "unknown"),
        "checkpoint_selection": record.get("checkpoint_selection", "none"),
        "checkpoint": record,
        "network": to_dict(network.config),
        "version": version(),
        "commit": code,
        "machine": machine(),
        "seconds": round(time.monotonic() - start, 1),
    }


def refuse_seen_classes(record: dict[str, Any], episodes: EpisodeSource) -> None:
    """ConfigError where training had masks of classes that are asked for, in the same kind of images.

    Rendered icons and photographs are different kinds: a rendered cat says little of a photographed one.
    """
    if (record.get("data") == "icons") != (episodes.rules().data == "icons"):
        return
    seen = sorted(set(record.get("classes", ())) & set(episodes.novel_names))
    if seen:
        raise ConfigError(
            f"The network was trained for fold {record.get('fold')} of {record.get('data')}: {', '.join(seen[:5])}"
            f"{' ..' if len(seen) > 5 else ''}, asked for here, are not novel to it, it has seen their masks."
        )


def figures(
    runs: Sequence[SegmentationCounts], class_names: Sequence[str], classes_scored: Tensor | None = None
) -> dict[str, Any]:
    """The figures of one run for each seed, in percent."""
    miou, fb_iou = [run.miou(classes_scored) for run in runs], [run.fb_iou() for run in runs]
    spread = stdev(miou) if len(miou) > 1 else None
    sure = None if spread is None else float(t.ppf(0.975, len(miou) - 1)) * spread / len(miou) ** 0.5
    pooled = sum(runs[1:], runs[0])
    per_class = {
        name: round(100 * iou, 2)
        for name, iou, drawn in zip(class_names, pooled.iou().tolist(), pooled.episodes.tolist(), strict=True)
        if drawn
    }
    return {
        "miou": round(mean(miou), 2),
        "miou_std": None if spread is None else round(spread, 2),
        "miou_ci95": None if sure is None else round(sure, 2),
        "miou_of_seeds": [round(value, 2) for value in miou],
        "fb_iou": round(mean(fb_iou), 2),
        "fb_iou_std": round(stdev(fb_iou), 2) if len(fb_iou) > 1 else None,
        "per_class": per_class,
    }
