"""The engine that labels windows of images in this process; `ray_engine` has that for a cluster."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller

_WINDOWS_AT_ONCE = 2  # one is in the network while the other is decoded or written


class Window(NamedTuple):
    """Images that are labelled together, by their paths below the folder, and those that have their labels already."""

    images: Sequence[str]
    finished: Sequence[str]


Engine = Callable[[Labeller, Iterable[Window]], Iterator[list[JournalRecord]]]
"""Labels windows, which it takes as it needs them, and returns the records of each as soon as it is done."""


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
