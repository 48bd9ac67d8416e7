"""HSNet's list against loops over numpy's global generator, its image size and its scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cdpnet.data.protocols.hsnet import draw_published, draw_published_by_class
from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.sampling import EpisodeImages, choose_supports, classes_with_enough_images
from cdpnet.errors import DataError
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


def test_an_image_that_a_list_repeats_is_no_support_of_itself() -> None:
    """The published rule draws again while the support is the query, which here would never end."""
    pairs = (("a", 1), ("a", 1), ("b", 2), ("c", 2), ("c", 2))
    pool = Pool(pairs, frozenset(pairs), (1, 2))
    with pytest.raises(DataError, match="Class 1 has 0 images beside the query 'a'"):
        draw_published(pool, 1, 1, 0, 0)
    assert classes_with_enough_images(pool, 1) == [2]
    assert set(choose_supports(Pool(pairs[2:], frozenset(pairs[2:]), (2,)), 2, "b", [0.9])) == {"c"}
