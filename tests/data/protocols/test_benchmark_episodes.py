"""Episodes of data sets on disk: what the network gets, what is scored, names, and what a result states."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.data.protocols.registry import PROTOCOLS
from cdpnet.errors import ConfigError
from cdpnet.evaluation.loop import evaluate
from cdpnet.evaluation.results import score
from cdpnet.report.images import episode_images
from tests.data.protocols.helpers import mask_of, open_benchmark
from tests.data.trees import make_voc
from tests.helpers import small_network


def test_palette_and_grey_masks_give_the_same_lists(tmp_path: Path) -> None:
    palette, grey = tmp_path / "palette", tmp_path / "grey"
    for root in (palette, grey):
        make_voc(root, palette=root == palette, train=4, val=120)
    for root, mode in ((palette, "P"), (grey, "L")):
        with Image.open(next((root / "SegmentationClass").iterdir())) as image:
            assert image.mode == mode
    for protocol in PROTOCOLS:
        hashes = [open_benchmark(r, data="pascal", protocol=protocol).list_sha256(40) for r in (palette, grey)]
        assert hashes[0] == hashes[1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_test_shows_and_where_it_is_scored(voc: Path, protocol: str) -> None:
    source = open_benchmark(voc, data="pascal", protocol=protocol)
    for index in range(6):
        images, drawn = source.images(index), source.draw(torch.tensor([index]))
        number, truth = images.classes[0], mask_of(voc, images.query)
        expected = np.where(truth == 255, 255, truth == number).astype(np.uint8)
        query, scored = drawn.batch.query_images[0], drawn.query_masks[0].numpy()
        assert drawn.class_ids.tolist() == [number - 1]
        assert drawn.batch.class_names == (source.class_names[number - 1],)
        if protocol == "hsnet":
            assert query.shape == (3, 400, 400)
            assert scored.shape == (400, 400)
            assert set(np.unique(scored)) <= {0, 1, 255}
            assert 255 not in drawn.batch.support_masks
        else:
            assert np.array_equal(scored, expected)
        if protocol in ("cdpnet", "ssp"):
            assert query.shape[1:] == truth.shape
            shots = drawn.separate_shots[0] if drawn.separate_shots else (drawn.batch,)
            support = mask_of(voc, images.supports[0][0])
            assert np.array_equal(shots[0].support_masks[0, 0].numpy() == 1, support == number)
        if protocol == "pfenet":
            assert query.shape == (3, 473, 473)
            h, w = drawn.unpadded_size or (0, 0)
            assert max(h, w) == 472
            assert h % 8 == w % 8 == 0
            assert not query[:, h:].any()
            assert not query[:, :, w:].any()
            assert (drawn.batch.support_masks[0, 0, 472:] == 255).all()


@pytest.mark.parametrize(("protocol", "space"), [("pfenet", "auto"), ("hsnet", "native"), ("cdpnet", "auto")])
def test_the_page_shows_queries_where_they_are_scored(voc: Path, protocol: str, space: str) -> None:
    source = open_benchmark(voc, data="pascal", protocol=protocol, evaluation_space=space)
    drawn = source.draw(torch.tensor([0]))
    shown = episode_images(drawn, 0, {"answer": torch.zeros_like(drawn.query_masks[0])})
    height, width = drawn.query_masks.shape[1:]
    assert {shown[name].size for name in ("query", "truth", "answer")} == {(width, height)}


def test_a_network_that_has_seen_the_classes_is_refused(voc: Path) -> None:
    """Whichever fold it calls them: the names decide, within photographs."""
    network = small_network("panet", stride=16)
    network.record = asdict(open_benchmark(voc, split="train", fold=1, data="pascal").settings())
    with pytest.raises(ConfigError, match=r"trained for fold 1 of pascal: aeroplane, bicycle, .*has seen their masks"):
        score(network, open_benchmark(voc, fold=0, data="pascal"), 1, [0])
    network.record = {**network.record, "data": "icons"}
    score(network, open_benchmark(voc, fold=0, data="pascal"), 1, [0])


@pytest.mark.parametrize(
    ("protocol", "workers", "batch"), [("cdpnet", 0, 1), ("ssp", 2, 1), ("hsnet", 0, 2), ("pfenet", 0, 1)]
)
def test_the_network_is_scored_alike_for_any_batch_and_workers(
    voc: Path, protocol: str, workers: int, batch: int
) -> None:
    source = open_benchmark(voc, data="pascal", protocol=protocol)
    network = small_network("cdpn", stride=16)
    counts = evaluate(network, source, 3)
    assert int(counts.episodes.sum()) == 3
    again = evaluate(network, source, 3, workers=workers, batch=batch)
    assert torch.equal(counts.intersection, again.intersection)
    assert torch.equal(counts.union, again.union)


def test_training_names_every_pixel_that_it_may_know(voc: Path) -> None:
    """Classes 1 to 5 are novel and, where they are kept, background; borders and padding are unknown."""
    source = open_benchmark(voc, split="train", data="pascal", protocol="ssp", crop=140)
    drawn, images = source.draw(torch.arange(3)), source.images(1)
    assert drawn.labels is not None
    assert drawn.batch.vocabulary == source.class_names[5:]
    truth = torch.from_numpy(mask_of(voc, images.query).astype(int))
    counted = {number: int((truth == number).sum()) for number in range(6, 21)}
    labels = drawn.labels[1, -1]
    assert {number: int((labels == number - 6).sum()) for number in range(6, 21)} == counted
    assert int((labels == 15).sum()) == int((truth <= 5).sum())
    assert int((labels == -1).sum()) == 140 * 140 - int((truth != 255).sum())
    assert torch.equal(labels == images.classes[0] - 6, drawn.query_masks[1] == 1)
    assert open_benchmark(voc, data="pascal").draw(torch.tensor([0])).labels is None


def test_several_classes_in_one_query(folder: Path) -> None:
    source = open_benchmark(folder, data="folder", ways=2, fold=0)
    drawn, images = source.draw(torch.tensor([3])), source.images(3)
    assert drawn.batch.query_images.shape[0] == 2
    assert torch.equal(drawn.batch.query_images[0], drawn.batch.query_images[1])
    assert drawn.class_ids.tolist() == [number - 1 for number in images.classes]
    counts = evaluate(small_network("cdpn"), source, 3)
    assert int(counts.episodes.sum()) == 6
    assert source.rules().ways == 2


def test_names_and_categories(voc: Path, folder: Path) -> None:
    exact = open_benchmark(voc, data="pascal")
    number = exact.images(0).classes[0]
    own = exact.class_names[number - 1]
    called = {
        names: open_benchmark(voc, data="pascal", names=names).draw(torch.tensor([0])).batch.class_names[0]
        for names in ("exact", "category", "none", "wrong")
    }
    assert called["exact"] == own
    assert called["none"] == ""
    assert called["category"] in ("vehicle", "animal", "indoor object")
    assert called["wrong"] in exact.class_names
    assert called["wrong"] != own
    with pytest.raises(ConfigError, match="have no categories here"):
        open_benchmark(folder, data="folder", names="category")


def test_what_is_said_beside_a_figure(voc: Path) -> None:
    rules = open_benchmark(voc, data="pascal", protocol="hsnet").rules()
    assert rules.fold_convention == "consecutive"
    assert rules.evaluation_space == "400 x 400 pixels"
    assert rules.unseen_class == "counts as 0"
    assert rules.list_from.startswith("our own")
    assert rules.images_broken == 0
    left_out = open_benchmark(voc, data="pascal", protocol="hsnet", unseen_class="left_out")
    assert left_out.classes_scored is None
    counted = open_benchmark(voc, data="pascal", unseen_class="zero")
    assert counted.classes_scored is not None
    assert counted.classes_scored.tolist() == [0, 1, 2, 3, 4]
    assert counted.rules().unseen_class == "counts as 0"
