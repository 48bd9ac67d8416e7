"""The protocols' samplers: which images an episode shows. Each is a pure function of (seed, index).

`ssp` and `hsnet` draw from generators that run on from episode to episode, as the published lists do, so their lists
are made from the beginning.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, islice
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch

from cdpnet.data.protocols.pools import Pool
from cdpnet.errors import DataError
from cdpnet.runtime.rng import keys, pick, uniform

Sampler = Literal["stratified", "uniform", "ssp", "hsnet", "hsnet by class", "pfenet"]
_T = TypeVar("_T")
_SSP_WORKERS = 4
_ORDER_STREAM, _CHOICE_STREAM, _TRAIN_STREAM, _PFENET_STREAM = 31, 32, 33, 34


class EpisodeImages(NamedTuple):
    """The images of an episode: the classes asked for, from 1, and for each of them its supports."""

    query: str
    classes: tuple[int, ...]
    supports: tuple[tuple[str, ...], ...]

    def line(self) -> str:
        """Class from 0, query, supports; several classes one after the other."""
        pairs = zip(self.classes, self.supports, strict=True)
        return " ".join(" ".join([str(number - 1), self.query, *shots]) for number, shots in pairs)


def row(sampler: Sampler, pool: Pool, shots: int, ways: int, seed: int, index: int) -> EpisodeImages:
    """Episode ``index`` of a sampler. DataError where the pool is too small to give one."""
    if not pool.kept:
        raise DataError(
            f"No image shows enough of one of the {len(pool.classes)} classes that are asked for; use another fold, "
            "protocol or folder."
        )
    if sampler == "stratified":
        return _stratified(pool, shots, ways, seed, index)
    if sampler == "uniform":
        return _uniform(pool, shots, seed, index)
    if sampler == "pfenet":
        return _pfenet(pool, shots, seed, index)
    if seed < 0:
        raise DataError(f"The list of {sampler.split()[0]} is made of seeds from 0 on, not {seed}.")
    return _list(sampler, pool, shots, seed)[index]


def drawable(pool: Pool, shots: int) -> list[int]:
    """The classes with enough images for a query and its supports."""
    return [number for number in pool.classes if len(pool.large_of_class[number]) > shots]


def _stratified(pool: Pool, shots: int, ways: int, seed: int, index: int) -> EpisodeImages:
    """Our own: the classes take turns in an order that changes every round; the query uniform over the class's.

    Of several ways the first is that class; the next are others that the query shows, then any, all in random order.
    """
    classes = drawable(pool, shots)
    if len(classes) < ways:
        raise DataError(
            f"Only {len(classes)} of the {len(pool.classes)} classes asked for have the {shots + 1} images that an "
            f"episode takes, and {ways} are needed; use fewer shots or ways, or more images."
        )
    order = _shuffled(classes, _numbers(seed, index // len(classes), _ORDER_STREAM, len(classes)))
    first = order[index % len(classes)]
    u = _numbers(seed, index, _CHOICE_STREAM, 1 + len(classes) + ways * shots)
    query = _one(pool.large_of_class[first], u[0])
    others = _shuffled([number for number in classes if number != first], u[1 : len(classes)])
    others.sort(key=lambda number: (query, number) not in pool.large)
    asked = (first, *others[: ways - 1])
    draws = u[1 + len(classes) :]
    return EpisodeImages(
        query,
        asked,
        tuple(
            _distinct(pool, number, query, draws[way * shots : (way + 1) * shots]) for way, number in enumerate(asked)
        ),
    )


def _uniform(pool: Pool, shots: int, seed: int, index: int) -> EpisodeImages:
    """Training in the other protocols: SSP's rule as a pure function of (seed, index), without what has no supports."""
    u = _numbers(seed, index, _TRAIN_STREAM, 2 + shots)
    query, numbers = _one(_askable(pool, shots), u[0])
    number = _one(numbers, u[1])
    return EpisodeImages(query, (number,), (_distinct(pool, number, query, u[2:]),))


@lru_cache(maxsize=8)
def _askable(pool: Pool, shots: int) -> list[tuple[str, list[int]]]:
    """The images that can be queries, each with its classes of which there are enough supports beside it."""
    found = []
    for image in pool.kept:
        numbers = [number for number in pool.classes_in[image] if _others(pool, number, image) >= shots]
        if numbers:
            found.append((image, numbers))
    if not found:
        raise DataError(
            f"No class has the {shots + 1} images that an episode of {shots} shots takes; use fewer shots or more "
            "images."
        )
    return found


def _others(pool: Pool, number: int, query: str) -> int:
    """Images beside the query in which a class is large."""
    return len(pool.large_of_class[number]) - ((query, number) in pool.large)


def _pfenet(pool: Pool, shots: int, seed: int, index: int) -> EpisodeImages:
    """Queries in the order of the list, any of the classes in it, supports without repeats in which it is large."""
    u = _numbers(seed, index, _PFENET_STREAM, 1 + shots)
    query = pool.kept[index % len(pool.kept)]
    number = _one(pool.classes_in[query], u[0])
    return EpisodeImages(query, (number,), (_distinct(pool, number, query, u[1:]),))


class _GrowingList:
    """The episodes of generators that run on, drawn no further than was asked for, and once."""

    def __init__(self, rows: Iterator[EpisodeImages]) -> None:
        self.rows, self.drawn = rows, list[EpisodeImages]()

    def __getitem__(self, index: int) -> EpisodeImages:
        self.drawn += islice(self.rows, max(0, index + 1 - len(self.drawn)))
        return self.drawn[index]


@lru_cache(maxsize=64)
def _list(sampler: Sampler, pool: Pool, shots: int, seed: int) -> _GrowingList:
    """A published list; the pool is known by its identity."""
    return _GrowingList({"ssp": _ssp, "hsnet": _hsnet, "hsnet by class": _hsnet_by_class}[sampler](pool, shots, seed))


def _ssp(pool: Pool, shots: int, seed: int) -> Iterator[EpisodeImages]:
    """SSP: Python's generator in each of four workers of a loader, which take turns.

    Its class lists hold kept images alone, with the class at any area.
    """
    base = int(torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(seed)))
    workers = [random.Random(base + worker) for worker in range(_SSP_WORKERS)]
    kept = set(pool.kept)
    lists = {number: sorted(kept.intersection(images)) for number, images in pool.of_class.items()}
    for index in count():
        generator = workers[index % _SSP_WORKERS]
        query = generator.choice(pool.kept)
        number = generator.choice(pool.classes_in[query])
        _enough(pool, number, query, shots)
        supports: list[str] = []
        while len(supports) < shots:
            support = _choice_without(generator, lists[number], (query, *supports))
            if (support, number) in pool.large:
                supports.append(support)
        yield EpisodeImages(query, (number,), (tuple(supports),))


def _choice_without(generator: random.Random, images: list[str], excluded: Sequence[str]) -> str:
    """``generator.choice`` of sorted images without some, all of which are among them, without a copy of the list."""
    place = generator.choice(range(len(images) - len(excluded)))
    for gap in sorted(bisect_left(images, image) for image in excluded):
        place += place >= gap
    return images[place]


def _hsnet(pool: Pool, shots: int, seed: int) -> Iterator[EpisodeImages]:
    """HSNet on PASCAL: item i takes line i of the list, over and over."""
    generator = np.random.RandomState(seed)
    for index in count():
        query, number = pool.pairs[index % len(pool.pairs)]
        yield _hsnet_row(generator, pool, shots, query, number)


def _hsnet_by_class(pool: Pool, shots: int, seed: int) -> Iterator[EpisodeImages]:
    """HSNet on COCO: the class first, then the query among its images."""
    generator = np.random.RandomState(seed)
    while True:
        number = int(generator.choice(pool.classes, 1, replace=False)[0])
        _enough(pool, number, "", 0)
        query = str(generator.choice(pool.of_class[number], 1, replace=False)[0])
        yield _hsnet_row(generator, pool, shots, query, number)


def _hsnet_row(generator: np.random.RandomState, pool: Pool, shots: int, query: str, number: int) -> EpisodeImages:
    """Supports are drawn again only while equal to the query, so one may come twice."""
    _enough(pool, number, query, 1)
    supports: list[str] = []
    while len(supports) < shots:
        support = str(generator.choice(pool.of_class[number], 1, replace=False)[0])
        if support != query:
            supports.append(support)
    return EpisodeImages(query, (number,), (tuple(supports),))


def _numbers(seed: int, index: int, stream: int, n: int) -> list[float]:
    """N numbers in 0..1 that depend on nothing else."""
    numbers: list[float] = uniform(keys(seed, torch.tensor([index]), stream), n)[0].tolist()
    return numbers


def _one(choices: Sequence[_T], u: float) -> _T:
    return choices[int(pick(torch.tensor(u), len(choices)))]


def _shuffled(numbers: Sequence[int], u: Sequence[float]) -> list[int]:
    return [number for _, number in sorted(zip(u, numbers, strict=True))]


def _distinct(pool: Pool, number: int, query: str, u: Sequence[float]) -> tuple[str, ...]:
    """Supports that differ from the query and from each other, one for each number in ``u``."""
    _enough(pool, number, query, len(u))
    left = [image for image in pool.large_of_class[number] if image != query]
    return tuple(left.pop(int(pick(torch.tensor(x), len(left)))) for x in u)


def _enough(pool: Pool, number: int, query: str, shots: int) -> None:
    """DataError where a class has too few images beside the query."""
    others = _others(pool, number, query)
    if others < max(1, shots):
        raise DataError(
            f"Class {number} has {others} images beside the query {query!r} that show enough of it, and an episode "
            f"takes {max(1, shots)}; use fewer shots or more images."
        )
