"""Drawing the images of an episode: functions that the samplers of the protocols share.

A sampler is a pure function of its arguments, so an episode depends neither on the batch nor on the process in which
it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, TypeVar

import torch

from cdpnet.data.protocols.pools import Pool
from cdpnet.errors import DataError
from cdpnet.runtime.rng import keys, pick, uniform
from cdpnet.runtime.text import counted

_T = TypeVar("_T")
_TRAIN_STREAM = 33


class EpisodeImages(NamedTuple):
    """The images of an episode: its query, the classes asked for, numbered from 1, and the supports of each class."""

    query: str
    classes: tuple[int, ...]
    supports: tuple[tuple[str, ...], ...]

    def to_line(self) -> str:
        """Class counted from 0, query and supports, separated by spaces; several classes one after the other."""
        pairs = zip(self.classes, self.supports, strict=True)
        return " ".join(" ".join([str(number - 1), self.query, *shots]) for number, shots in pairs)


Sampler = Callable[[Pool, int, int, int, int], EpisodeImages]
"""Pool, shots, ways, seed and index -> the images of an episode. DataError where the pool has too few images."""


def draw_episode(sampler: Sampler, pool: Pool, shots: int, ways: int, seed: int, index: int) -> EpisodeImages:
    """Episode ``index`` of a sampler. DataError where the pool is too small."""
    if not pool.classes:
        raise DataError("The data has too few classes for this fold; use another fold, or name more classes.")
    if not pool.query_images:
        raise DataError(
            f"No image shows enough of one of the {len(pool.classes)} classes that are asked for; use another fold, "
            "protocol or folder."
        )
    return sampler(pool, shots, ways, seed, index)


def draw_uniform(pool: Pool, shots: int, ways: int, seed: int, index: int) -> EpisodeImages:  # noqa: ARG001
    """One episode of one class by SSP's rule as a pure function of (seed, index); used for training.

    The query is uniform over the images with a class that has enough supports, the class uniform over those of the
    query, the supports distinct.
    """
    u = uniform_numbers(seed, index, _TRAIN_STREAM, 2 + shots)
    query, numbers = choose(_queries_with_supports(pool, shots), u[0])
    number = choose(numbers, u[1])
    return EpisodeImages(query, (number,), (choose_supports(pool, number, query, u[2:]),))


def list_sampler(protocol: str, list_episodes: Callable[[Pool, int, int], Iterator[EpisodeImages]]) -> Sampler:
    """The sampler of a published list whose random generators run on from episode to episode.

    list_episodes: pool, shots, seed -> all episodes from the first on. They are drawn once, and no further than needed.
    """

    @lru_cache(maxsize=64)
    def open_list(pool: Pool, shots: int, seed: int) -> GrowingList:  # a pool is told from another by its identity
        return GrowingList(list_episodes(pool, shots, seed))

    def draw(pool: Pool, shots: int, ways: int, seed: int, index: int) -> EpisodeImages:  # noqa: ARG001
        if seed < 0:
            raise DataError(f"The list of {protocol} is made of seeds from 0 on, not {seed}.")
        return open_list(pool, shots, seed)[index]

    return draw


class GrowingList:
    """A sequence over an iterator: items are taken from it when they are first asked for."""

    def __init__(self, items: Iterator[EpisodeImages]) -> None:
        self.items, self.taken = items, list[EpisodeImages]()

    def __getitem__(self, index: int) -> EpisodeImages:
        self.taken += islice(self.items, max(0, index + 1 - len(self.taken)))
        return self.taken[index]


def uniform_numbers(seed: int, index: int, stream: int, n: int) -> list[float]:
    """The ``n`` random numbers in 0..1 of an episode and a stream."""
    numbers: list[float] = uniform(keys(seed, torch.tensor([index]), stream), n)[0].tolist()
    return numbers


def choose(choices: Sequence[_T], u: float) -> _T:
    """One of the choices, uniform in u from 0..1."""
    return choices[int(pick(torch.tensor(u), len(choices)))]


def shuffle(numbers: Sequence[int], u: Sequence[float]) -> list[int]:
    """The numbers in the order of ``u``, one random number for each."""
    return [number for _, number in sorted(zip(u, numbers, strict=True))]


def choose_supports(pool: Pool, number: int, query: str, u: Sequence[float]) -> tuple[str, ...]:
    """One support of class ``number`` for each number in ``u``, none of them the query, none twice.

    DataError where there are too few.
    """
    check_supports(pool, number, query, len(u))
    left = [image for image in dict.fromkeys(pool.eligible_images_of_class[number]) if image != query]
    return tuple(left.pop(int(pick(torch.tensor(x), len(left)))) for x in u)


def check_supports(pool: Pool, number: int, query: str, shots: int) -> None:
    """DataError where a class has fewer than ``shots`` eligible images beside the query, or none."""
    others = _count_supports(pool, number, query)
    if others < max(1, shots):
        beside = f" beside the query {query!r}" if query else ""
        raise DataError(
            f"{pool.title(number)} has {counted(others, 'image')}{beside} with enough of it, and an "
            f"episode takes {max(1, shots)}; use fewer shots or more images."
        )


def classes_with_enough_images(pool: Pool, shots: int) -> list[int]:
    """The classes that have enough eligible images for a query and its supports."""
    return [number for number in pool.classes if pool.eligible_counts[number] > shots]


@lru_cache(maxsize=8)
def _queries_with_supports(pool: Pool, shots: int) -> list[tuple[str, list[int]]]:
    """The query images, each with those of its classes that have enough supports. DataError where there are none."""
    found = []
    for image in pool.query_images:
        numbers = [n for n in pool.classes_of_image[image] if _count_supports(pool, n, image) >= shots]
        if numbers:
            found.append((image, numbers))
    if not found:
        raise DataError(
            f"No class has the {shots + 1} images that an episode of {counted(shots, 'shot')} takes; "
            "use fewer shots or more images."
        )
    return found


def _count_supports(pool: Pool, number: int, query: str) -> int:
    """Number of eligible images of a class beside the query."""
    return pool.eligible_counts[number] - ((query, number) in pool.eligible_pairs)
