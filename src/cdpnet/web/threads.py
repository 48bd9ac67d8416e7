"""The threads of the server: one runs the network, for all, and a few read and write files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import ParamSpec, TypeVar

from cdpnet.projects.segmenting import ProjectSegmenter

_FILES = 4  # threads; an image of 24 megapixels takes 72 MB in each
P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Threads:
    """Runs functions in the order in which they come; work on projects comes in pieces, so that all get their turn."""

    def __init__(self) -> None:
        self._network = ThreadPoolExecutor(1, "network")
        self._files = ThreadPoolExecutor(_FILES, "files")
        self._awake: set[ProjectSegmenter] = set()
        self._lock = Lock()

    async def in_network(self, function: Callable[P, T], *inputs: P.args, **options: P.kwargs) -> T:
        """Run what uses the network."""
        return await asyncio.wrap_future(self._network.submit(function, *inputs, **options))

    async def in_files(self, function: Callable[P, T], *inputs: P.args, **options: P.kwargs) -> T:
        """Run what reads or writes files."""
        return await asyncio.wrap_future(self._files.submit(function, *inputs, **options))

    def wake(self, work: ProjectSegmenter) -> None:
        """Have a project learned and segmented as far as it is out of date."""
        with self._lock:
            if work in self._awake:
                return
            self._awake.add(work)
        self._network.submit(self._step, work)

    def forget(self, work: ProjectSegmenter) -> None:
        """Stop working on a project; waits until its present piece is done."""
        with self._lock:
            self._awake.discard(work)
        self._network.submit(lambda: None).result()

    def close(self) -> None:
        """Finish the pieces that are being done, and drop the others."""
        with self._lock:
            self._awake.clear()
        for pool in (self._network, self._files):
            pool.shutdown(cancel_futures=True)

    def _step(self, work: ProjectSegmenter) -> None:
        with self._lock:
            if work not in self._awake:
                return
            self._awake.discard(work)
        try:
            more = work.step()
        except Exception as error:  # such as a full disk; the next change of the project tries again
            _log.warning("Work on a project failed: %.200r", error)
            return
        if more:
            self.wake(work)
