"""SSP's list against what four workers of its loader draw."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.sampling import EpisodeImages
from cdpnet.data.protocols.ssp import draw_published
from tests.data.protocols.helpers import make_pool, mask_of, open_benchmark

# The base of the workers' seeds under torch.manual_seed(0), (1), .. (4), as the original loader has it.
BASES = (
    900450186894289455,
    7692698082559361259,
    8042686386972756495,
    937055941807507096,
    8615179906827886766,
)


class PublishedEpisodes(Dataset[Any]):
    """SSP's data set, read from the masks themselves: the rule of 2,048 pixels, drawn by the worker's generator."""

    def __init__(self, root: Path, wanted: tuple[int, ...], shots: int) -> None:
        self.wanted, self.shots = wanted, shots
        names = (root / "ImageSets/Segmentation/val.txt").read_text().split()
        self.masks = {name: mask_of(root, name) for name in names}
        self.ids = [n for n, mask in self.masks.items() if any((mask == c).sum() >= 2048 for c in wanted)]

    def __len__(self) -> int:
        return 120

    def __getitem__(self, item: int) -> str:
        return self.draw(random)

    def draw(self, generator: Any) -> str:
        query = generator.choice(self.ids)
        number = generator.choice(sorted(set(np.unique(self.masks[query]).tolist()) & set(self.wanted)))
        listed = {name for name in self.ids if (self.masks[name] == number).any()}
        supports: list[str] = []
        for _ in range(self.shots):
            while True:
                support = generator.choice(sorted(listed - {query} - set(supports)))
                if (self.masks[support] == number).sum() >= 2048:
                    break
            supports.append(support)
        return " ".join([str(number - 1), query, *supports])


def test_ssp_gives_what_four_workers_of_the_published_loader_draw(voc: Path) -> None:
    torch.manual_seed(4)
    published: Any = DataLoader(PublishedEpisodes(voc, (1, 2, 3, 4, 5), 2), batch_size=None, num_workers=4)
    ours = open_benchmark(voc, 2, data="pascal", protocol="ssp", seed=4)
    assert list(ours.list_lines(120)) == list(published)


@pytest.mark.parametrize(("shots", "seed"), [(1, 0), (2, 2)])
def test_ssp_gives_what_four_generators_draw_in_turn(voc: Path, shots: int, seed: int) -> None:
    published = PublishedEpisodes(voc, (1, 2, 3, 4, 5), shots)
    generators = [random.Random(BASES[seed] + worker) for worker in range(4)]
    ours = open_benchmark(voc, shots, data="pascal", protocol="ssp", seed=seed)
    assert list(ours.list_lines(120)) == [published.draw(generators[item % 4]) for item in range(120)]


def draw_as_published(source: Pool, shots: int, generator: random.Random) -> EpisodeImages:
    """What SSP's data set does with the generator of the worker that it runs in."""
    eligible = {image for image, _ in source.eligible_pairs}
    ids = [p for p in dict.fromkeys(p for p, _ in source.pairs) if p in eligible]
    query = generator.choice(ids)
    number = generator.choice(sorted(c for p, c in source.pairs if p == query))
    images = [p for p, c in source.pairs if c == number and p in ids]
    supports: list[str] = []
    for _ in range(shots):
        while True:
            support = generator.choice(sorted(set(images) - {query} - set(supports)))
            if (support, number) in source.eligible_pairs:
                break
        supports.append(support)
    return EpisodeImages(query, (number,), (tuple(supports),))


@pytest.mark.parametrize(("seed", "shots"), [(0, 1), (1, 1), (3, 5), (4, 2)])
def test_ssp_is_what_four_workers_draw(seed: int, shots: int) -> None:
    source = make_pool()
    generators = [random.Random(BASES[seed] + worker) for worker in range(4)]
    simulated = [draw_as_published(source, shots, generators[item % 4]) for item in range(200)]
    assert [draw_published(source, shots, 1, seed, i) for i in range(200)] == simulated
