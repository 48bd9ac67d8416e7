"""Batches of episodes are the same for any number of workers, and so are errors."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from cdpnet.data.loader import batches
from cdpnet.errors import DataError
from tests.data.protocols.helpers import open_benchmark
from tests.data.trees import make_voc


def test_what_cannot_be_drawn_is_the_same_sentence_in_a_worker(tmp_path: Path) -> None:
    make_voc(tmp_path, train=10, val=90)
    source = open_benchmark(tmp_path, data="pascal", report=print)
    assert pickle.loads(pickle.dumps(source)).list_sha256(3) == source.list_sha256(3)
    (tmp_path / "JPEGImages" / f"{source.images(0).query}.jpg").unlink()
    said = []
    for workers in (0, 1):
        with pytest.raises(DataError) as refused:
            list(batches(source, [torch.tensor([0])], workers))
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert "Traceback" not in said[1]


def test_training_images_are_crops_that_depend_on_the_number_alone(voc: Path) -> None:
    source = open_benchmark(voc, split="train", data="pascal", protocol="ssp", crop=96)
    index = [torch.arange(4), torch.arange(4, 8)]
    alone, ahead = (list(batches(source, index, workers)) for workers in (0, 1))
    for one, other in zip(alone, ahead, strict=True):
        assert one.batch.query_images.shape == (4, 3, 96, 96)
        assert torch.equal(one.batch.query_images, other.batch.query_images)
        assert torch.equal(one.batch.support_masks, other.batch.support_masks)
        assert torch.equal(one.query_masks, other.query_masks)
    assert torch.equal(source.draw(torch.tensor([5])).query_masks[0], alone[1].query_masks[1])
    assert set(alone[0].query_masks.flatten().tolist()) == {0, 1, 255}
