"""A few gradient steps on a class's own examples, kept only where they help there."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from cdpnet.errors import ConfigError, DataError
from cdpnet.inference.adaptation import _segment_left_out, adapt
from cdpnet.inference.class_files import load_class, save_class
from cdpnet.inference.segmenter import Segmenter
from tests.helpers import random_batch, small_network


def test_it_is_kept_only_where_left_out_examples_gain() -> None:
    network, batch = small_network("cdpn"), random_batch(1, 3)
    images = list((batch.support_images[0] * 255).to(torch.uint8))
    with torch.no_grad():
        features = [network.image.features(image[None]) for image in images]
    before = copy.deepcopy(network.state_dict())
    outcomes = set()
    for steps in (1, 60):
        found = adapt(network, features, list(batch.support_masks[0]), "cat", steps)
        assert (found.fusion is not None) == (found.after > found.before)
        outcomes.add(found.fusion is not None)
    assert True in outcomes  # sixty steps on three images of noise do learn them
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_left_out_examples_are_segmented_by_the_others() -> None:
    """By a plain loop over whole networks: learn from the others, match the one."""
    network, batch = small_network("cdpn"), random_batch(1, 3, ignore=False)
    assert network.fusion is not None
    images, masks = batch.support_images[0], batch.support_masks[0]
    with torch.no_grad():
        grids = [network.image.features(image[None]) for image in images]
        _, iou = _segment_left_out(network, network.fusion, grids, list(masks), "cat")
        ious = []
        for left in range(3):
            others = [i for i in range(3) if i != left]
            learned = network.learn(images[others][None], masks[others][None], ("cat",))
            answer = network.match(images[left][None], learned).masks[0] == 1
            truth = masks[left] == 1
            ious.append(float((answer & truth).sum() / (answer | truth).sum()))
    assert iou == pytest.approx(sum(ious) / 3, abs=1e-3)


def test_an_adapted_class_has_its_own_fusion_also_from_its_file(tmp_path: Path) -> None:
    network, batch = small_network("cdpn"), random_batch(1, 3)
    segmenter = Segmenter(network, longest_side=1000)
    supports = (list(batch.support_images[0]), list(batch.support_masks[0]))
    plain, adapted = segmenter.learn("cat", *supports), segmenter.learn("cat", *supports, steps=60)
    assert adapted.fusion is not None
    save_class(adapted, tmp_path / "c.safetensors")
    again = load_class(tmp_path / "c.safetensors")
    query = batch.query_images[0]
    alone = segmenter.segment(query, again)
    assert (alone.scores == segmenter.segment(query, adapted).scores).all()
    assert (alone.scores != segmenter.segment(query, plain).scores).any()
    together = segmenter.segment(query, [plain, again, plain])
    torch.testing.assert_close(together.log_odds[1], alone.log_odds[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(together.log_odds[0], together.log_odds[2], atol=1e-4, rtol=0)


def test_what_cannot_be_adapted_is_said() -> None:
    batch = random_batch(1, 1)
    network, masks = small_network("cdpn"), [batch.support_masks[0, 0]]
    features = [network.image.features(batch.support_images[0, :1])]
    with pytest.raises(DataError, match="needs two or more"):
        adapt(network, features, masks, "cat", 1)
    with pytest.raises(ConfigError, match="no fusion"):
        adapt(small_network("ssp"), features * 2, masks * 2, "", 1)
