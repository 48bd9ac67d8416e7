"""Ways to get windows labelled: in this process, or by the machines of a Ray cluster."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import torch

from cdpnet.bulk.journal import Record
from cdpnet.bulk.labeller import Labeller
from cdpnet.errors import ConfigError, DataError

_UNDER_WAY = 2  # windows at a time: one in the network while the other is decoded or written
Window = Sequence[str]


def plain(labeller: Labeller, windows: Iterable[Window]) -> Iterator[list[Record]]:
    """Label windows one after the other in this process; memory is that of a few windows."""
    turn = Lock()
    under_way: deque[Future[list[Record]]] = deque()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool, ThreadPoolExecutor(_UNDER_WAY) as starter:
        try:
            for window in windows:
                under_way.append(starter.submit(labeller.label, window, pool, turn))
                if len(under_way) > _UNDER_WAY:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


class _Worker:
    """A process of the cluster with a network of its own."""

    def __init__(self, labeller: Labeller, threads: int) -> None:
        torch.set_num_threads(threads)  # sums are taken in the same order as in the process that sent it
        self.labeller = labeller
        self.pool = ThreadPoolExecutor(max(2, os.cpu_count() or 2))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """A batch of one window, as JSON; a disk that takes no more is said in the answer, not retried."""
        try:
            records = self.labeller.label(json.loads(batch["window"][0]), self.pool)
            return {"records": [json.dumps([record.line() for record in records])], "error": [""]}
        except DataError as error:
            return {"records": ["[]"], "error": [str(error)]}


def ray(labeller: Labeller, windows: Iterable[Window], workers: int) -> Iterator[list[Record]]:
    """Label windows by Ray, on this machine or on the cluster that RAY_ADDRESS names; a killed worker is replaced.

    All machines must see the pictures and the folder of labels under the same paths. ConfigError without Ray.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray as cluster
        import ray.data as ray_data
    except ImportError:
        raise ConfigError("--engine ray needs Ray, which the extra bulk brings: pip install 'cdpnet[bulk]'.") from None
    rows = [{"window": json.dumps(list(window))} for window in windows]
    if not rows:
        return
    started = not cluster.is_initialized()
    if started:
        cluster.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        ray_data.DataContext.get_current().enable_progress_bars = False
        answers = ray_data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Worker,
            fn_constructor_args=(labeller, torch.get_num_threads()),
            batch_size=1,
            concurrency=workers,
            num_cpus=1,
            num_gpus=1 if torch.cuda.is_available() else 0,
        )
        for row in answers.iter_rows():
            if row["error"]:
                raise DataError(row["error"])
            yield [Record.from_line(line) for line in json.loads(row["records"])]
    finally:
        if started:
            cluster.shutdown()
