"""HSNet's list against loops over numpy's global generator, its image size and its scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cdpnet.data.protocols.hsnet import draw_published, draw_published_by_class
from cdpnet.data.protocols.sampling import EpisodeImages
from tests.data.protocols.helpers import make_pool, mask_of, open_benchmark


def test_hsnet_is_one_legacy_generator() -> None:
    source = make_pool()
    np.random.seed(0)
    for item in range(150):
        query, number = source.pairs[item % len(source.pairs)]
        supports: list[str] = []
        while len(supports) < 2:
            support = np.random.choice([p for p, c in source.pairs if c == number], 1, replace=False)[0]
            if support != query:
                supports.append(str(support))
        assert draw_published(source, 2, 1, 0, item) == EpisodeImages(query, (number,), (tuple(supports),))


def test_hsnet_on_coco_draws_the_class_first() -> None:
    source = make_pool()
    np.random.seed(0)
    for item in range(150):
        number = np.random.choice(list(range(5)), 1, replace=False)[0] + 1
        images = [p for p, c in source.pairs if c == number]
        query = support = np.random.choice(images, 1, replace=False)[0]
        while support == query:
            support = np.random.choice(images, 1, replace=False)[0]
        assert draw_published_by_class(source, 1, 1, 0, item) == EpisodeImages(query, (number,), ((support,),))


def test_hsnet_trains_at_its_own_size_wherever_it_is_scored(voc: Path) -> None:
    source = open_benchmark(voc, split="train", data="pascal", protocol="hsnet", evaluation_space="native")
    assert source.draw(torch.arange(2)).query_masks.shape == (2, 400, 400)


def test_hsnet_scores_at_native_size_when_asked(voc: Path) -> None:
    source = open_benchmark(voc, data="pascal", protocol="hsnet", evaluation_space="native")
    drawn = source.draw(torch.tensor([0]))
    truth = mask_of(voc, source.images(0).query)
    assert drawn.batch.query_images.shape[-2:] == (400, 400)
    assert drawn.query_masks[0].shape == truth.shape
    assert source.rules().evaluation_space == "native"
    assert not source.stackable
