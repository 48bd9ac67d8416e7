"""Engines that label windows of images: in this process, or on the machines of a Ray cluster."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import torch

from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller
from cdpnet.errors import DataError
from cdpnet.runtime.extras import require_ray

_WINDOWS_AT_ONCE = 2  # one is in the network while the other is decoded or written


class Window(NamedTuple):
    """Images that are labelled together, by their paths below the folder, and those that have their labels already."""

    images: Sequence[str]
    finished: Sequence[str]


def label_locally(labeller: Labeller, windows: Iterable[Window]) -> Iterator[list[JournalRecord]]:
    """Label windows in order in this process; only a few windows are in memory at a time."""
    network_lock = Lock()
    running: deque[Future[list[JournalRecord]]] = deque()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool, ThreadPoolExecutor(_WINDOWS_AT_ONCE) as starter:
        try:
            for window in windows:
                running.append(starter.submit(labeller.label, window.images, pool, network_lock, window.finished))
                if len(running) > _WINDOWS_AT_ONCE:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


@dataclass(frozen=True)
class _Answer:
    """What a worker sends back for one window: its records, or the error that stops the job."""

    records: Sequence[JournalRecord] = ()
    error: str = ""

    def to_batch(self) -> dict[str, list[str]]:
        """As a batch of one row of text."""
        return {"records": [json.dumps([record.to_line() for record in self.records])], "error": [self.error]}

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> _Answer:
        return cls([JournalRecord.from_line(line) for line in json.loads(row["records"])], row["error"])


class _Worker:
    """A process of the cluster with its own copy of the network, on one core or one GPU."""

    def __init__(self, labeller_reference: list[Any]) -> None:
        import ray

        torch.set_num_threads(1)
        (self.labeller,) = ray.get(labeller_reference)
        self.pool = ThreadPoolExecutor(2)

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Label a batch of one window; a disk that cannot be written to is reported, since a retry would not help."""
        try:
            window = Window(*json.loads(batch["window"][0]))
            return _Answer(self.labeller.label(window.images, self.pool, None, window.finished)).to_batch()
        except DataError as error:
            return _Answer(error=str(error)).to_batch()


def label_with_ray(
    labeller: Labeller, windows: Iterable[Window], workers: int | None = None
) -> Iterator[list[JournalRecord]]:
    """Label windows with Ray, on this machine or on the cluster at RAY_ADDRESS; a killed worker is replaced.

    All machines must have the images and the folder of labels under the same paths. workers: number of processes, by
    default one for every core, or GPU, of the cluster. ConfigError without Ray.
    """
    ray = _import_ray()
    from ray.data import ActorPoolStrategy, from_items

    rows = [{"window": json.dumps(window)} for window in windows]
    if not rows:
        return
    starts_ray = not ray.is_initialized()
    if starts_ray:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        gpu = torch.cuda.is_available()
        max_workers = workers or int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1))
        reference = ray.put(labeller)  # held in this process as long as a worker may have to be replaced
        answers = from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Worker,
            fn_constructor_args=([reference],),
            batch_size=1,
            compute=ActorPoolStrategy(size=min(max_workers, len(rows))),
            num_cpus=0 if gpu else 1,
            num_gpus=1 if gpu else 0,
        )
        for row in answers.iter_rows():
            answer = _Answer.from_row(row)
            if answer.error:
                raise DataError(answer.error)
            yield list(answer.records)
    finally:
        if starts_ray:
            ray.shutdown()


def _import_ray() -> Any:
    """Ray without usage reports, progress bars and log output. ConfigError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    require_ray()
    import ray
    from ray.data import DataContext

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    return ray
