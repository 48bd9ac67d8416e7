"""The protocols' samplers against plain simulations of what published loaders do."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from cdpnet.data.protocols.folds import novel_classes
from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.sampling import EpisodeImages, Sampler, row
from cdpnet.errors import DataError

SAMPLERS: tuple[Sampler, ...] = ("stratified", "uniform", "ssp", "hsnet", "hsnet by class", "pfenet")


def pool(images: int = 60, classes: int = 5, seed: int = 4) -> Pool:
    """A pool in which a third of the pairs are small."""
    chance = random.Random(seed)
    pairs, large = [], set()
    for i in range(images):
        for number in sorted(chance.sample(range(1, classes + 1), chance.randint(1, 3))):
            pairs.append((f"p{i:03d}", number))
            if chance.random() < 0.67:
                large.add(pairs[-1])
    return Pool(tuple(pairs), frozenset(large), tuple(range(1, classes + 1)))


class PublishedLoader(Dataset[Any]):
    """What SSP's data set does with the global generator of the worker that it runs in."""

    def __init__(self, source: Pool, shots: int) -> None:
        self.source, self.shots = source, shots
        shown = {image for image, _ in source.large}
        self.ids = [p for p in dict.fromkeys(p for p, _ in source.pairs) if p in shown]

    def __len__(self) -> int:
        return 200

    def __getitem__(self, item: int) -> Any:
        query = random.choice(self.ids)
        number = random.choice(sorted(c for p, c in self.source.pairs if p == query))
        images = [p for p, c in self.source.pairs if c == number and p in self.ids]
        supports: list[str] = []
        for _ in range(self.shots):
            while True:
                support = random.choice(sorted(set(images) - {query} - set(supports)))
                if (support, number) in self.source.large:
                    break
            supports.append(support)
        return query, number, supports


@pytest.mark.parametrize(("seed", "shots"), [(0, 1), (3, 5)])
def test_ssp_is_what_four_workers_draw(seed: int, shots: int) -> None:
    source = pool()
    torch.manual_seed(seed)
    loader: Any = DataLoader(PublishedLoader(source, shots), batch_size=None, num_workers=4)
    simulated = [EpisodeImages(query, (number,), (tuple(supports),)) for query, number, supports in loader]
    assert [row("ssp", source, shots, 1, seed, i) for i in range(200)] == simulated


def test_hsnet_is_one_legacy_generator() -> None:
    source = pool()
    np.random.seed(0)
    for item in range(150):
        query, number = source.pairs[item % len(source.pairs)]
        supports: list[str] = []
        while len(supports) < 2:
            support = np.random.choice([p for p, c in source.pairs if c == number], 1, replace=False)[0]
            if support != query:
                supports.append(str(support))
        assert row("hsnet", source, 2, 1, 0, item) == EpisodeImages(query, (number,), (tuple(supports),))


def test_hsnet_on_coco_draws_the_class_first() -> None:
    source = pool()
    np.random.seed(0)
    for item in range(150):
        number = np.random.choice(list(range(5)), 1, replace=False)[0] + 1
        images = [p for p, c in source.pairs if c == number]
        query = support = np.random.choice(images, 1, replace=False)[0]
        while support == query:
            support = np.random.choice(images, 1, replace=False)[0]
        assert row("hsnet by class", source, 1, 1, 0, item) == EpisodeImages(query, (number,), ((support,),))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_row_is_a_pure_function_of_seed_and_index(sampler: Sampler) -> None:
    rows = [row(sampler, pool(), 2, 1, 1, i) for i in range(30)]
    backwards = [row(sampler, pool(), 2, 1, 1, i) for i in reversed(range(30))]
    assert rows == backwards[::-1]
    assert rows != [row(sampler, pool(), 2, 1, 2, i) for i in range(30)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_images_show_the_class(sampler: Sampler) -> None:
    source = pool()
    for i in range(60):
        query, (number,), (supports,) = row(sampler, source, 3, 1, 0, i)
        assert query not in supports
        assert {(p, number) for p in (query, *supports)} <= set(source.pairs)
        if not sampler.startswith("hsnet"):
            assert len(set(supports)) == 3
            assert {(p, number) for p in supports} <= source.large


def test_our_own_protocol_draws_every_class_equally() -> None:
    seen = Counter(row("stratified", pool(), 1, 1, 0, i).classes[0] for i in range(100))
    assert seen == dict.fromkeys(range(1, 6), 20)


def test_ways_show_what_the_query_shows_first() -> None:
    source = pool()
    for i in range(50):
        query, classes, supports = row("stratified", source, 2, 3, 0, i)
        assert len(set(classes)) == len(supports) == 3
        shown = [(query, number) in source.large for number in classes]
        assert shown == sorted(shown, reverse=True)
        others = [c for c in source.classes_in[query] if (query, c) in source.large and c not in classes]
        assert all(shown) or not others


def test_pfenet_goes_through_the_list() -> None:
    source = pool()
    queries = [row("pfenet", source, 1, 1, 0, i).query for i in range(len(source.kept) + 3)]
    assert queries == source.kept + source.kept[:3]


def test_a_class_with_too_few_images_is_left_out_or_said() -> None:
    lone = Pool((("a", 1), ("b", 2), ("c", 2)), frozenset({("a", 1), ("b", 2), ("c", 2)}), (1, 2))
    assert {row("stratified", lone, 1, 1, 0, i).classes for i in range(9)} == {(2,)}
    for sampler in ("ssp", "hsnet", "pfenet"):
        with pytest.raises(DataError, match="Class 1 has 0 images beside the query 'a'"):
            [row(sampler, lone, 1, 1, 0, i) for i in range(9)]
    assert {row("uniform", lone, 1, 1, 0, i).classes for i in range(9)} == {(2,)}
    with pytest.raises(DataError, match="No class has the 3 images"):
        row("uniform", lone, 2, 1, 0, 0)
    with pytest.raises(DataError, match="Only 0 of the 2 classes"):
        row("stratified", lone, 2, 1, 0, 0)
    with pytest.raises(DataError, match="No image shows enough"):
        row("ssp", Pool((), frozenset(), (1,)), 1, 1, 0, 0)


def test_folds_of_the_benchmarks() -> None:
    assert novel_classes(20, 1, "consecutive") == (6, 7, 8, 9, 10)
    assert novel_classes(80, 3, "consecutive") == tuple(range(61, 81))
    assert novel_classes(80, 2, "interleaved") == tuple(4 * k + 3 for k in range(20))
    for convention in ("consecutive", "interleaved"):
        every = [number for fold in range(4) for number in novel_classes(11, fold, convention)]
        assert sorted(every) == list(range(1, 12))
