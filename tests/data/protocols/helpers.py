"""Pools and benchmarks that the tests of several protocols use."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import open_episodes
from cdpnet.data.protocols.benchmark_episodes import BenchmarkEpisodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.pools import Pool


def make_pool(images: int = 60, classes: int = 5, seed: int = 4) -> Pool:
    """A pool in which a third of the pairs are not eligible."""
    chance = random.Random(seed)
    pairs, eligible = [], set()
    for i in range(images):
        for number in sorted(chance.sample(range(1, classes + 1), chance.randint(1, 3))):
            pairs.append((f"p{i:03d}", number))
            if chance.random() < 0.67:
                eligible.add(pairs[-1])
    return Pool(tuple(pairs), frozenset(eligible), tuple(range(1, classes + 1)))


def open_benchmark(
    root: Path, shots: int = 1, split: Any = "test", fold: int = 0, **settings: Any
) -> BenchmarkEpisodes:
    extra = ("names", "category_share", "seed")
    more = {name: settings.pop(name) for name in extra if name in settings}
    report = settings.pop("report", None)
    opened = open_episodes(DataOnDisk(DataConfig(root=str(root), **settings), report), fold, shots, split, **more)
    assert isinstance(opened, BenchmarkEpisodes)
    return opened


def mask_of(root: Path, name: str) -> np.ndarray[Any, Any]:
    with Image.open(root / "SegmentationClass" / f"{name}.png") as image:
        return np.array(image)
