"""The engine that labels windows of images on the machines of a Ray cluster, of which some may be lost meanwhile."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import torch

from cdpnet.bulk.engines import Window
from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller
from cdpnet.bulk.window_copies import CopiesLabeller, JobFiles, SentLabels, SentWindow
from cdpnet.errors import CdpnetError, ConfigError, DataError
from cdpnet.labels.regions import ImageLabels
from cdpnet.runtime.extras import no_cluster, require_ray
from cdpnet.runtime.memory import keep_freed_memory

_FILES_AT_ONCE = 8  # that are read or written, mostly waiting for the disk
_MOST_STARTS = 3  # of a worker that never gets as far as its first window
_MOST_LOSSES = 3  # of workers by one window, which may be what ends them


def label_with_ray(
    labeller: Labeller, windows: Iterable[Window], workers: int | None = None
) -> Iterator[list[JournalRecord]]:
    """Label windows with Ray, on this machine or on the cluster at RAY_ADDRESS; a worker that is lost is replaced.

    The machines get the network and the images from this process, which writes the labels; they need nothing but the
    same version of this package. workers: number of processes, by default one for every core, or GPU, of the cluster.
    ConfigError without Ray, and where no machine can load the network; CdpnetError of the labeller, as where a machine
    has no space for temporary files; OSError where the labels cannot be written.
    """
    remaining = iter(windows)
    first = next(remaining, None)
    if first is None:
        return
    ray = _import_ray()
    starts_ray = not ray.is_initialized()
    if starts_ray:
        _start(ray)
    try:
        gpu = torch.cuda.is_available()
        options = {"num_cpus": 0 if gpu else 1, "num_gpus": 1 if gpu else 0}
        size = workers or int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1))
        reference = ray.put(CopiesLabeller.of(labeller))  # held as long as a worker may have to be replaced
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            files = JobFiles(labeller, pool, partial(_put, ray))
            team = _Team(ray, ray.remote(**options)(_Worker), [reference], files)
            yield from team.label(chain([first], remaining), size)
    finally:
        if starts_ray:
            ray.shutdown()


class _Worker:
    """A process of the cluster with its own copy of the network, on one core or one GPU."""

    def load(self, reference: list[Any]) -> None:
        """Take the network; no image is labelled yet."""
        import ray

        torch.set_num_threads(1)
        keep_freed_memory()
        (self.labeller,) = ray.get(reference)
        self.pool = ThreadPoolExecutor(2)

    def label(self, window: SentWindow) -> SentLabels:
        """Label a window."""
        import ray

        found: SentLabels = self.labeller.label(window, self.pool, ray.get)
        return found


@dataclass(frozen=True)
class _Task:
    """What a worker does: it labels a window, or loads the network for the n-th time."""

    worker: Any
    window: Window | None = None
    starts: int = 0


@dataclass
class _Team:
    """The workers. A window is given only to a worker that is ready, so none waits for a machine that is gone.

    actor_class: of a worker, for Ray. reference: a list with the labeller's place in the cluster. files: of the job.
    """

    ray: Any
    actor_class: Any
    reference: list[Any]
    files: JobFiles
    tasks: dict[Any, _Task] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    again: deque[Window] = field(default_factory=deque)  # windows of workers that were lost
    losses: Counter[str] = field(default_factory=Counter)  # by the first image of a window

    def label(self, windows: Iterator[Window], size: int) -> Iterator[list[JournalRecord]]:
        """Label windows with ``size`` workers, as many of them as the cluster has room for."""
        errors = self.ray.exceptions
        for _ in range(size):
            self._start_worker()
        while self._give(windows):
            (done,), _ = self.ray.wait(list(self.tasks), num_returns=1)
            task = self.tasks.pop(done)
            try:
                labels = self.ray.get(done)
            except errors.RayError as error:
                if isinstance(error, errors.RayTaskError) and not isinstance(error.cause, errors.RayError):
                    if isinstance(error.cause, CdpnetError):
                        raise error.cause from None
                    if task.window is not None:
                        raise
                # The worker is lost, or images on the way to it, or labels that it had made.
                self._start_worker(task.starts)
                if task.window is not None and (failed := self._repeat(task.window)):
                    yield failed
            else:
                self.idle.append(task.worker)
                if task.window is not None:
                    yield self.files.write(labels)

    def _give(self, windows: Iterator[Window]) -> bool:
        """Give windows to idle workers; False where all windows are labelled. ConfigError where no worker is left."""
        while self.idle:
            window = self.again.popleft() if self.again else next(windows, None)
            if window is None:
                return any(task.window is not None for task in self.tasks.values())
            worker = self.idle.pop()
            self.tasks[worker.label.remote(self.files.read(window))] = _Task(worker, window)
        if not self.tasks:
            raise ConfigError(
                "No machine of the cluster can load the network; install this version of cdpnet on every one, and see "
                "that its memory suffices. Finished images are kept."
            )
        return True

    def _start_worker(self, starts: int = 0) -> None:
        """Start a worker, in place of one that could not be started ``starts`` times; not for ever."""
        if starts < _MOST_STARTS:
            worker = self.actor_class.remote()
            self.tasks[worker.load.remote(self.reference)] = _Task(worker, starts=starts + 1)

    def _repeat(self, window: Window) -> list[JournalRecord]:
        """Let another worker label a window; records that say so where it has ended too many of them."""
        self.losses[window.images[0]] += 1
        if self.losses[window.images[0]] < _MOST_LOSSES:
            self.again.append(window)
            return []
        reason = (
            f"{_MOST_LOSSES} processes ended while they labelled it and the {len(window.images) - 1} beside it, "
            "perhaps for want of memory; the same command tries it again."
        )
        unfinished = [image for image in window.images if image not in window.finished]
        return [JournalRecord(ImageLabels(image, 0, 0), error=reason) for image in unfinished]


def _put(ray: Any, content: bytes) -> Any:
    """Keep the bytes of an image where workers get them. DataError where there is no space."""
    try:
        return ray.put(content)
    except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError):
        raise DataError(
            "Ray has no room for the images that are sent to the workers; free space on the disk of this machine, or "
            "give fewer --workers. Finished images are kept."
        ) from None


def _import_ray() -> Any:
    """Ray without usage reports and log output. ConfigError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    require_ray()
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _start(ray: Any) -> None:
    """Start Ray, or connect to the cluster at RAY_ADDRESS. ConfigError where there is none."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError:
        raise ConfigError(no_cluster()) from None
    signal.signal(signal.SIGTERM, handler)  # Ray's own ends the process without a word
