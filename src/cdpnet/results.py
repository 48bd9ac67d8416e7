"""A figure and everything that must be said beside it: data, protocol, seeds, list, selection, code and machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

from cdpnet.config import to_dict
from cdpnet.data.icons import IconEpisodes
from cdpnet.errors import ConfigError
from cdpnet.evaluate import Answered, evaluate
from cdpnet.metrics import SegmentationCounts
from cdpnet.network import PrototypeNetwork
from cdpnet.provenance import commit, machine, version


def score(
    network: PrototypeNetwork,
    episodes: IconEpisodes,
    count: int,
    seeds: Sequence[int],
    *,
    workers: int = 0,
    watch: Callable[[Answered], object] | None = None,
) -> dict[str, Any]:
    """Evaluate on ``count`` episodes of each seed; all that a reader needs to compare the figure, ready for JSON.

    Figures are in percent: `miou` and `fb_iou` are means over the seeds, `miou_std` their standard deviation (None for
    one seed), `per_class` is pooled over all seeds. ConfigError where the network has seen masks of these
    classes.
    """
    start, code = time.monotonic(), commit()
    record = network.record
    if episodes.split == "test" and record.get("fold", episodes.fold) != episodes.fold:
        raise ConfigError(
            f"The network was trained for fold {record['fold']}: the classes of fold {episodes.fold} are not novel to "
            "it, it has seen their masks."
        )
    lists = [replace(episodes, seed=seed) for seed in seeds]
    runs = [evaluate(network, source, count, workers=workers, watch=watch) for source in lists]
    return {
        **figures(runs, episodes.class_names),
        "data": "icons",
        "protocol": "icons: classes uniform over the split, supports and query drawn in different families",
        "split": episodes.split,
        "fold": episodes.fold,
        "fold_convention": "classes of two or more families, dealt out by the SHA-256 of their names",
        "shots": episodes.shots,
        "names": episodes.names,
        "episodes": count,
        "seeds": list(seeds),
        "list_sha256": [source.list_sha256(count) for source in lists],
        "evaluation_space": f"native, {episodes.layout.size} x {episodes.layout.size} pixels",
        "unseen_class": "left out of the mean",
        "novel_in_train": record.get("novel_in_train", "unknown"),
        "checkpoint_selection": record.get("checkpoint_selection", "none"),
        "checkpoint": record,
        "network": to_dict(network.config),
        "version": version(),
        "commit": code,
        "machine": machine(),
        "seconds": round(time.monotonic() - start, 1),
    }


def figures(runs: Sequence[SegmentationCounts], class_names: Sequence[str]) -> dict[str, Any]:
    """The figures of one run for each seed, in percent."""
    miou, fb_iou = [run.miou() for run in runs], [run.fb_iou() for run in runs]
    pooled = sum(runs[1:], runs[0])
    per_class = {
        name: round(100 * iou, 2)
        for name, iou, drawn in zip(class_names, pooled.iou().tolist(), pooled.episodes.tolist(), strict=True)
        if drawn
    }
    return {
        "miou": round(mean(miou), 2),
        "miou_std": round(stdev(miou), 2) if len(miou) > 1 else None,
        "miou_of_seeds": [round(value, 2) for value in miou],
        "fb_iou": round(mean(fb_iou), 2),
        "fb_iou_std": round(stdev(fb_iou), 2) if len(fb_iou) > 1 else None,
        "per_class": per_class,
    }
