"""Episodes of data sets on disk under each protocol: lists, what is shown, what is scored, what is said."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from cdpnet.data.episodes import default_length, open_episodes
from cdpnet.data.loader import batches
from cdpnet.data.protocols.benchmark_episodes import BenchmarkEpisodes
from cdpnet.data.protocols.disk import DataConfig, DataOnDisk
from cdpnet.data.source import EpisodeSource
from cdpnet.errors import ConfigError, DataError
from cdpnet.evaluation.loop import evaluate
from cdpnet.evaluation.results import score
from cdpnet.report.images import episode_images
from tests.data.trees import make_coco, make_folder, make_voc
from tests.helpers import record_of, small_network

PROTOCOLS: tuple[Any, ...] = ("cdpnet", "ssp", "hsnet", "pfenet")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDPNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VOC's tree, large enough for five shots of some classes; objects cover up to 4,900 pixels."""
    root = tmp_path_factory.mktemp("voc")
    make_voc(root, palette=True, train=150, val=180)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folder")
    make_folder(root)
    return root


def episodes(root: Path, shots: int = 1, split: Any = "test", fold: int = 0, **settings: Any) -> BenchmarkEpisodes:
    extra = ("names", "category_share", "seed")
    more = {name: settings.pop(name) for name in extra if name in settings}
    report = settings.pop("report", None)
    opened = open_episodes(DataOnDisk(DataConfig(root=str(root), **settings), report), fold, shots, split, **more)
    assert isinstance(opened, BenchmarkEpisodes)
    return opened


def mask_of(root: Path, name: str) -> np.ndarray[Any, Any]:
    with Image.open(root / "SegmentationClass" / f"{name}.png") as image:
        return np.array(image)


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
        query = random.choice(self.ids)
        number = random.choice(sorted(set(np.unique(self.masks[query]).tolist()) & set(self.wanted)))
        listed = {name for name in self.ids if (self.masks[name] == number).any()}
        supports: list[str] = []
        for _ in range(self.shots):
            while True:
                support = random.choice(sorted(listed - {query} - set(supports)))
                if (self.masks[support] == number).sum() >= 2048:
                    break
            supports.append(support)
        return " ".join([str(number - 1), query, *supports])


@pytest.mark.parametrize(("shots", "seed"), [(1, 0), (2, 4)])
def test_ssp_gives_what_four_workers_of_the_published_loader_draw(voc: Path, shots: int, seed: int) -> None:
    torch.manual_seed(seed)
    published: Any = DataLoader(PublishedEpisodes(voc, (1, 2, 3, 4, 5), shots), batch_size=None, num_workers=4)
    ours = episodes(voc, shots, data="pascal", protocol="ssp", seed=seed)
    assert list(ours.list_lines(120)) == list(published)


def test_palette_and_grey_masks_give_the_same_lists(voc: Path, tmp_path: Path) -> None:
    make_voc(tmp_path, palette=False, train=150, val=180)
    with Image.open(next((voc / "SegmentationClass").iterdir())) as image:
        assert image.mode == "P"
    for protocol in PROTOCOLS:
        hashes = [episodes(r, data="pascal", protocol=protocol).list_sha256(200) for r in (voc, tmp_path)]
        assert hashes[0] == hashes[1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_test_shows_and_where_it_is_scored(voc: Path, protocol: str) -> None:
    source = episodes(voc, data="pascal", protocol=protocol)
    for index in range(6):
        row, drawn = source.row(index), source.draw(torch.tensor([index]))
        number, truth = row.classes[0], mask_of(voc, row.query)
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
            support = mask_of(voc, row.supports[0][0])
            assert np.array_equal(shots[0].support_masks[0, 0].numpy() == 1, support == number)
        if protocol == "pfenet":
            assert query.shape == (3, 473, 473)
            h, w = drawn.shown or (0, 0)
            assert max(h, w) == 472
            assert h % 8 == w % 8 == 0
            assert not query[:, h:].any()
            assert not query[:, :, w:].any()
            assert (drawn.batch.support_masks[0, 0, 472:] == 255).all()


@pytest.mark.parametrize(("protocol", "space"), [("pfenet", "auto"), ("hsnet", "native"), ("cdpnet", "auto")])
def test_the_page_shows_queries_where_they_are_scored(voc: Path, protocol: str, space: str) -> None:
    source = episodes(voc, data="pascal", protocol=protocol, evaluation_space=space)
    drawn = source.draw(torch.tensor([0]))
    shown = episode_images(drawn, 0, {"answer": torch.zeros_like(drawn.query_masks[0])})
    height, width = drawn.query_masks.shape[1:]
    assert {shown[name].size for name in ("query", "truth", "answer")} == {(width, height)}


def test_hsnet_trains_at_its_own_size_wherever_it_is_scored(voc: Path) -> None:
    source = episodes(voc, split="train", data="pascal", protocol="hsnet", evaluation_space="native")
    assert source.draw(torch.arange(2)).query_masks.shape == (2, 400, 400)


def test_what_cannot_be_drawn_is_the_same_sentence_in_a_worker(tmp_path: Path) -> None:
    make_voc(tmp_path, train=10, val=90)
    source = episodes(tmp_path, data="pascal", report=print)
    assert pickle.loads(pickle.dumps(source)).list_sha256(3) == source.list_sha256(3)
    (tmp_path / "JPEGImages" / f"{source.row(0).query}.jpg").unlink()
    said = []
    for workers in (0, 1):
        with pytest.raises(DataError) as refused:
            list(batches(source, [torch.tensor([0])], workers))
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert "Traceback" not in said[1]


def test_a_network_that_has_seen_the_classes_is_refused(voc: Path) -> None:
    """Whichever fold it calls them: the names decide, within photographs."""
    network = small_network("panet", stride=16)
    trained = episodes(voc, split="train", fold=1, data="pascal").settings()
    network.record = record_of(trained)
    with pytest.raises(ConfigError, match=r"trained for fold 1 of pascal: aeroplane, bicycle, .*has seen their masks"):
        score(network, episodes(voc, fold=0, data="pascal"), 1, [0])
    network.record = record_of(replace(trained, data="icons"))
    score(network, episodes(voc, fold=0, data="pascal"), 1, [0])


def test_hsnet_scores_at_native_size_when_asked(voc: Path) -> None:
    source = episodes(voc, data="pascal", protocol="hsnet", evaluation_space="native")
    drawn = source.draw(torch.tensor([0]))
    truth = mask_of(voc, source.row(0).query)
    assert drawn.batch.query_images.shape[-2:] == (400, 400)
    assert drawn.query_masks[0].shape == truth.shape
    assert source.rules().evaluation_space == "native"
    assert not source.stackable


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_network_is_scored_alike_for_any_batch_and_workers(voc: Path, protocol: str) -> None:
    source = episodes(voc, data="pascal", protocol=protocol)
    network = small_network("cdpn", stride=16)
    counts = evaluate(network, source, 5)
    assert int(counts.episodes.sum()) == 5
    again = evaluate(network, source, 5, workers=2, batch=None if source.stackable else 1)
    assert torch.equal(counts.intersection, again.intersection)
    assert torch.equal(counts.union, again.union)


def test_training_images_are_crops_that_depend_on_the_number_alone(voc: Path) -> None:
    source = episodes(voc, split="train", data="pascal", protocol="ssp", crop=96)
    index = [torch.arange(4), torch.arange(4, 8)]
    alone, ahead = (list(batches(source, index, workers)) for workers in (0, 2))
    for one, other in zip(alone, ahead, strict=True):
        assert one.batch.query_images.shape == (4, 3, 96, 96)
        assert torch.equal(one.batch.query_images, other.batch.query_images)
        assert torch.equal(one.batch.support_masks, other.batch.support_masks)
        assert torch.equal(one.query_masks, other.query_masks)
    assert torch.equal(source.draw(torch.tensor([5])).query_masks[0], alone[1].query_masks[1])
    assert set(alone[0].query_masks.flatten().tolist()) == {0, 1, 255}


def test_training_names_every_pixel_that_it_may_know(voc: Path) -> None:
    """Classes 1 to 5 are novel and, where they are kept, background; borders and padding are unknown."""
    source = episodes(voc, split="train", data="pascal", protocol="ssp", crop=140)
    drawn, row = source.draw(torch.arange(3)), source.row(1)
    assert drawn.labels is not None
    assert drawn.batch.vocabulary == source.class_names[5:]
    truth = torch.from_numpy(mask_of(voc, row.query).astype(int))
    counted = {number: int((truth == number).sum()) for number in range(6, 21)}
    labels = drawn.labels[1, -1]
    assert {number: int((labels == number - 6).sum()) for number in range(6, 21)} == counted
    assert int((labels == 15).sum()) == int((truth <= 5).sum())
    assert int((labels == -1).sum()) == 140 * 140 - int((truth != 255).sum())
    assert torch.equal(labels == row.classes[0] - 6, drawn.query_masks[1] == 1)
    assert episodes(voc, data="pascal").draw(torch.tensor([0])).labels is None


def test_novel_objects_in_training_images(voc: Path) -> None:
    """Dropped, no training image shows classes 1 to 5; kept, some do, and they are background there."""
    for rule in ("drop", "keep"):
        source = episodes(voc, split="train", data="pascal", protocol="ssp", novel_in_train=rule)
        images = source.data.pool("train", 0).classes_in
        shown = {name for name in images if np.isin(mask_of(voc, name), (1, 2, 3, 4, 5)).any()}
        assert bool(shown) == (rule == "keep")
        assert source.settings().novel_in_train == rule
    source = episodes(voc, split="train", data="pascal", protocol="ssp", novel_in_train="keep", crop=140)
    for index in range(20):
        row = source.row(index)
        truth, mask = mask_of(voc, row.query), source.draw(torch.tensor([index])).query_masks
        assert int((mask == 1).sum()) == int((truth == row.classes[0]).sum())  # a crop of 140 holds all of it


def test_several_classes_in_one_query(folder: Path) -> None:
    source = episodes(folder, data="folder", ways=2, fold=0)
    drawn, row = source.draw(torch.tensor([3])), source.row(3)
    assert drawn.batch.query_images.shape[0] == 2
    assert torch.equal(drawn.batch.query_images[0], drawn.batch.query_images[1])
    assert drawn.class_ids.tolist() == [number - 1 for number in row.classes]
    counts = evaluate(small_network("cdpn"), source, 3)
    assert int(counts.episodes.sum()) == 6
    assert source.rules().ways == 2


def test_names_and_categories(voc: Path, folder: Path) -> None:
    exact = episodes(voc, data="pascal")
    number = exact.row(0).classes[0]
    own = exact.class_names[number - 1]
    called = {
        names: episodes(voc, data="pascal", names=names).draw(torch.tensor([0])).batch.class_names[0]
        for names in ("exact", "category", "none", "wrong")
    }
    assert called["exact"] == own
    assert called["none"] == ""
    assert called["category"] in ("vehicle", "animal", "indoor object")
    assert called["wrong"] in exact.class_names
    assert called["wrong"] != own
    with pytest.raises(ConfigError, match="have no categories here"):
        episodes(folder, data="folder", names="category")


def test_what_is_said_beside_a_figure(voc: Path) -> None:
    rules = episodes(voc, data="pascal", protocol="hsnet").rules()
    assert rules.fold_convention == "consecutive"
    assert rules.evaluation_space == "400 x 400 pixels"
    assert rules.unseen_class == "counts as 0"
    assert rules.list_from.startswith("our own")
    assert rules.images_broken == 0
    left_out = episodes(voc, data="pascal", protocol="hsnet", unseen_class="left_out")
    assert left_out.classes_scored is None
    counted = episodes(voc, data="pascal", unseen_class="zero")
    assert counted.classes_scored is not None
    assert counted.classes_scored.tolist() == [0, 1, 2, 3, 4]
    assert counted.rules().unseen_class == "counts as 0"
    assert default_length(DataConfig(data="coco", protocol="ssp")) == (4000, (0, 1, 2, 3, 4))
    assert default_length(DataConfig(data="pascal", protocol="pfenet"))[1] == (510, 365, 382, 322, 988)


@pytest.mark.parametrize(("protocol", "said"), [("ssp", "consecutive"), ("hsnet", "interleaved")])
def test_folds_of_coco_follow_the_protocol(tmp_path: Path, protocol: Any, said: str) -> None:
    make_coco(tmp_path)
    source = episodes(tmp_path, data="coco", protocol=protocol)
    assert source.data.fold_convention == said
    other = replace(source.data.config, fold_convention="consecutive")
    assert open_episodes(DataOnDisk(other), 0, 1, "test").rules().fold_convention == "consecutive"


def test_settings_that_do_not_fit(voc: Path, folder: Path) -> None:
    for settings, says in (
        ({"data": "pascal", "fold": 4}, "no fold 4"),
        ({"data": "pascal", "protocol": "ssp", "ways": 2}, "one class at a time"),
        ({"data": "pascal", "splits": "x"}, "lists of the protocol hsnet"),
        ({"data": "pascal", "evaluation_space": "resized"}, "scores at native size"),
        (
            {"data": "pascal", "protocol": "hsnet", "splits": "x", "novel_in_train": "drop"},
            "say which images are used",
        ),
        ({"data": "pascal", "ways": 0}, "ways must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=says):
            episodes(voc, **settings)
    with pytest.raises(ConfigError, match=r"icons are embedded .* leave --protocol out"):
        DataConfig(protocol="ssp")
    with pytest.raises(ConfigError, match="Where is the data"):
        open_episodes(DataOnDisk(DataConfig(data="pascal")), 0, 1, "test")
    with pytest.raises(DataError, match="There is no folder"):
        open_episodes(DataOnDisk(DataConfig(data="pascal", root=str(voc / "nowhere"))), 0, 1, "test")
    everything: EpisodeSource = episodes(folder, split="train", data="folder", novel_in_train="drop")
    assert everything.settings().novel_in_train == "drop"
