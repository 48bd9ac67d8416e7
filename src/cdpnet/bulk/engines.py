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
    """A process of the cluster with a network of its own, on one core or one GPU."""

    def __init__(self, labeller: list[Any]) -> None:
        import ray

        torch.set_num_threads(1)
        (self.labeller,) = ray.get(labeller)
        self.pool = ThreadPoolExecutor(2)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """A batch of one window, as JSON; a disk that takes no more is said in the answer, not retried."""
        try:
            records = self.labeller.label(json.loads(batch["window"][0]), self.pool)
            return {"records": [json.dumps([record.line() for record in records])], "error": [""]}
        except DataError as error:
            return {"records": ["[]"], "error": [str(error)]}


def on_cluster(labeller: Labeller, windows: Iterable[Window], workers: int | None = None) -> Iterator[list[Record]]:
    """Label windows by Ray, on this machine or on the cluster that RAY_ADDRESS names; a killed worker is replaced.

    All machines must see the images and the folder of labels under the same paths. workers: by default one for every
    core, or GPU, of the cluster. ConfigError without Ray.
    """
    ray = _ray()
    from ray.data import ActorPoolStrategy, from_items

    rows = [{"window": json.dumps(list(window))} for window in windows]
    if not rows:
        return
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        gpu = torch.cuda.is_available()
        most = workers or int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1))
        sent = ray.put(labeller)  # held here for as long as a worker may have to be replaced
        answers = from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Worker,
            fn_constructor_args=([sent],),
            batch_size=1,
            compute=ActorPoolStrategy(size=min(most, len(rows))),
            num_cpus=0 if gpu else 1,
            num_gpus=1 if gpu else 0,
        )
        for row in answers.iter_rows():
            if row["error"]:
                raise DataError(row["error"])
            yield [Record.from_line(line) for line in json.loads(row["records"])]
    finally:
        if started:
            ray.shutdown()


def _ray() -> Any:
    """Ray, which says nothing to anybody and little to us. ConfigError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        from ray.data import DataContext
    except ImportError:
        raise ConfigError("--engine ray needs Ray, which the extra bulk brings: pip install 'cdpnet[bulk]'.") from None
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    return ray
