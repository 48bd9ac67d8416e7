"""The protocol of SSP (fanq15/SSP)."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import count

import torch

from cdpnet.data.config import Split
from cdpnet.data.protocols.folds import FoldConvention
from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.protocol import Protocol
from cdpnet.data.protocols.sampling import EpisodeImages, Sampler, check_supports, draw_uniform, list_sampler

_WORKERS = 4  # of the published code's loader, on which its list depends


class SspProtocol(Protocol):
    """Images are shown and scored at their native size; training takes random crops."""

    name = "ssp"
    seeds = (0, 1, 2, 3, 4)

    @property
    def description(self) -> str:
        """The sentence that is printed with every result."""
        return "ssp: SSP's list, as four workers of its loader draw it"

    @property
    def test_episodes(self) -> int:
        """Number of episodes of one test run."""
        return 4000 if self.data == "coco" else 1000

    @property
    def fold_convention(self) -> FoldConvention:
        """Which classes of a fold are novel; SSP follows PANet on COCO."""
        return "consecutive" if self.data in ("pascal", "coco") else "interleaved"

    def sampler(self, split: Split) -> Sampler:
        """The published list for validation and tests; for training its rule as a pure function of (seed, index)."""
        return draw_uniform if split == "train" else draw_published


def list_episodes(pool: Pool, shots: int, seed: int) -> Iterator[EpisodeImages]:
    """SSP's list without end: Python's generator in each of four workers of a loader, which take turns.

    Its class lists hold only images in which some class reaches the minimum area, whatever the area of the class.
    """
    base = int(torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(seed)))
    workers = [random.Random(base + worker) for worker in range(_WORKERS)]
    queries = set(pool.query_images)
    lists = {number: sorted(queries.intersection(images)) for number, images in pool.images_of_class.items()}
    for index in count():
        generator = workers[index % _WORKERS]
        query = generator.choice(pool.query_images)
        number = generator.choice(pool.classes_of_image[query])
        check_supports(pool, number, query, shots)
        supports: list[str] = []
        while len(supports) < shots:
            support = _choose_without(generator, lists[number], (query, *supports))
            if (support, number) in pool.eligible_pairs:
                supports.append(support)
        yield EpisodeImages(query, (number,), (tuple(supports),))


draw_published = list_sampler(SspProtocol.name, list_episodes)


def _choose_without(generator: random.Random, images: list[str], excluded: Sequence[str]) -> str:
    """``generator.choice`` of the sorted images without the excluded ones, all of which are among them.

    It copies no list: the position is drawn among the remaining images and moved past each excluded one.
    """
    position = generator.choice(range(len(images) - len(excluded)))
    for gap in sorted(bisect_left(images, image) for image in excluded):
        position += position >= gap
    return images[position]
