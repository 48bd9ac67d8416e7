"""Workers that are lost, and what else befalls a cluster, with a Ray that runs everything in this process."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cdpnet.bulk import ray_engine
from cdpnet.bulk.ray_engine import label_with_ray
from cdpnet.errors import ConfigError, DataError
from tests.hostile.jobs import N_IMAGES, Job, contents


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class RayActorError(RayError):
    pass


class ObjectLostError(RayError):
    pass


class OutOfMemoryError(RayError):
    pass


class OutOfDiskError(RayError):
    pass


class ObjectStoreFullError(RayError):
    pass


@dataclass
class RayHere:
    """What the engine uses of Ray. before: called with the name of a method before a worker runs it.

    Objects are in a dictionary, by their numbers. What it is given is pickled, as on the way to another machine.
    """

    before: Callable[[str], object] = id
    objects: dict[int, Any] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)
    n_workers: int = 0
    exceptions = sys.modules[__name__]

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0, "GPU": 2.0}

    def put(self, content: Any) -> int:
        number = next(self.numbers)
        self.objects[number] = content
        return number

    def get(self, place: Any) -> Any:
        if isinstance(place, list):
            return [self.get(one) for one in place]
        found = self.objects[place]
        if isinstance(found, Exception):
            raise found
        return pickle.loads(pickle.dumps(found))

    def wait(self, places: list[int], num_returns: int) -> tuple[list[int], list[int]]:
        return places[:num_returns], places[num_returns:]

    def remote(self, **_: object) -> Callable[[type], Any]:
        def actor(kind: type) -> SimpleNamespace:
            self.n_workers += 1
            worker = kind()
            methods = {name: self._method(name, getattr(worker, name)) for name in ("load", "label")}
            return SimpleNamespace(**methods)

        return lambda kind: SimpleNamespace(remote=lambda: actor(kind))

    def _method(self, name: str, method: Callable[[Any], Any]) -> SimpleNamespace:
        def remote(given: Any) -> int:
            try:
                self.before(name)
                return self.put(method(pickle.loads(pickle.dumps(given))))
            except RayError as error:
                return self.put(error)
            except Exception as error:
                return self.put(RayTaskError(error))

        return SimpleNamespace(remote=remote)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayHere]:
    here, threads = RayHere(), torch.get_num_threads()
    monkeypatch.setattr(ray_engine, "_import_ray", lambda: here)
    monkeypatch.setitem(sys.modules, "ray", here)
    yield here
    torch.set_num_threads(threads)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job.of(tmp_path)


def failing(method: str, times: int, error: Exception) -> Callable[[str], None]:
    """A method fails so many times, and works then."""
    calls = count(1)

    def before(name: str) -> None:
        if name == method and next(calls) <= times:
            raise error

    return before


def test_the_files_are_those_of_one_process(job: Job, ray: RayHere) -> None:
    job.run(label_with_ray)
    assert ray.n_workers == 2
    assert contents(job.out) == job.undisturbed()


@pytest.mark.parametrize(
    "error",
    [RayActorError(), OutOfMemoryError(), ObjectLostError(), RayTaskError(ObjectLostError())],
    ids=["worker", "worker for want of memory", "labels", "images"],
)
def test_what_is_lost_is_made_again(error: RayError, job: Job, ray: RayHere) -> None:
    """A worker, the labels that it had made, or the images on their way to it."""
    ray.before = failing("label", 2, error)
    assert not job.run(label_with_ray).failed
    assert ray.n_workers == 4
    assert contents(job.out) == job.undisturbed()


def test_a_window_that_ends_three_workers_is_left_out_and_tried_again_by_the_next_run(job: Job, ray: RayHere) -> None:
    ray.before = failing("label", 3, RayActorError())
    failed = job.run(label_with_ray).failed
    said = f"3 processes ended while they labelled it and the {N_IMAGES - 1} beside it, perhaps for want of memory"
    assert [reason.startswith(said) for reason in failed.values()] == [True] * N_IMAGES
    assert not job.run(label_with_ray).failed
    assert contents(job.out) == job.undisturbed()


@pytest.mark.parametrize("error", [RayActorError(), ImportError("cdpnet")], ids=["lost", "another version"])
def test_workers_that_cannot_load_the_network_are_told(error: Exception, job: Job, ray: RayHere) -> None:
    ray.before = failing("load", 99, error)
    with pytest.raises(ConfigError, match=r"^No machine of the cluster can load the network; install this version"):
        job.run(label_with_ray)
    assert ray.n_workers == 2 * 3
    ray.before = failing("load", 5, error)
    job.run(label_with_ray)
    assert contents(job.out) == job.undisturbed()


def test_what_a_worker_says_is_said_here(job: Job, ray: RayHere) -> None:
    ray.before = failing("label", 1, DataError("A temporary file cannot be written."))
    with pytest.raises(DataError, match=r"^A temporary file cannot be written\.$"):
        job.run(label_with_ray)
    job.run(label_with_ray)
    assert contents(job.out) == job.undisturbed()


@pytest.mark.parametrize("error", [OutOfDiskError(), ObjectStoreFullError()])
def test_images_for_which_there_is_no_room_stop_the_job(
    error: RayError, job: Job, ray: RayHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(content: object) -> int:
        if isinstance(content, bytes):
            raise error
        return RayHere.put(ray, content)

    with monkeypatch.context() as patched:
        patched.setattr(ray, "put", put)
        with pytest.raises(DataError, match=r"^Ray has no room for the images that are sent to the workers; free"):
            job.run(label_with_ray)
    job.run(label_with_ray)
    assert contents(job.out) == job.undisturbed()
