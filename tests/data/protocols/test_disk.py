"""Settings of a data set on disk that change which classes and images there are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.data.episodes import open_episodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.folds import ALL_FOLDS
from cdpnet.data.source import EpisodeRules, TrainingEpisodes
from cdpnet.errors import ConfigError, DataError
from tests.data.protocols.helpers import mask_of, open_benchmark
from tests.data.trees import make_coco, make_folder, save_image


@pytest.mark.parametrize(("protocol", "said"), [("ssp", "consecutive"), ("hsnet", "interleaved")])
def test_folds_of_coco_follow_the_protocol(tmp_path: Path, protocol: Any, said: str) -> None:
    make_coco(tmp_path)
    source = open_benchmark(tmp_path, data="coco", protocol=protocol)
    assert source.data.fold_convention == said
    other = replace(source.data.config, fold_convention="consecutive")
    assert open_episodes(DataOnDisk(other), 0, 1, "test").rules().fold_convention == "consecutive"


def test_novel_objects_in_training_images(voc: Path) -> None:
    """Dropped, no training image shows classes 1 to 5; kept, some do, and they are background there."""
    for rule in ("drop", "keep"):
        source = open_benchmark(voc, split="train", data="pascal", protocol="ssp", novel_in_train=rule)
        names = source.data.pool("train", 0).classes_of_image
        shown = {name for name in names if np.isin(mask_of(voc, name), (1, 2, 3, 4, 5)).any()}
        assert bool(shown) == (rule == "keep")
        assert source.settings().novel_in_train == rule
    source = open_benchmark(voc, split="train", data="pascal", protocol="ssp", novel_in_train="keep", crop=140)
    for index in range(20):
        images = source.images(index)
        truth, mask = mask_of(voc, images.query), source.draw(torch.tensor([index])).query_masks
        assert int((mask == 1).sum()) == int((truth == images.classes[0]).sum())  # a crop of 140 holds all of it


def test_all_folds_leave_no_class_novel(voc: Path) -> None:
    source = open_benchmark(voc, split="train", data="pascal", protocol="cdpnet", crop=64)
    everything = replace(source, fold=ALL_FOLDS)
    assert everything.settings().classes == source.data.reader.class_names
    assert everything.data.pool("train", ALL_FOLDS).query_images
    assert everything.draw(torch.tensor([0])).batch.query_images.shape == (1, 3, 64, 64)
    with pytest.raises(ConfigError, match="no fold -1"):
        replace(everything, split="test")


def test_a_class_with_too_few_images_is_called_by_its_name(voc: Path) -> None:
    source = open_benchmark(voc, data="pascal", protocol="ssp", fold=0, shots=500)
    with pytest.raises(DataError, match=r"^The class '[a-z ]+' has \d+ images? beside the query"):
        [source.images(index) for index in range(9)]


def test_the_minimum_area_can_be_chosen_under_cdpnet_only(voc: Path) -> None:
    source = open_benchmark(voc, data="pascal", protocol="cdpnet", min_area=2048)
    pool = source.data.pool("test", 0)
    for image, number in pool.pairs:
        covers = int((mask_of(voc, image) == number).sum())
        assert ((image, number) in pool.eligible_pairs) == (covers >= 2048)
    assert "2048 pixels" in source.rules().protocol
    with pytest.raises(ConfigError, match="leave --min-area out"):
        open_benchmark(voc, data="pascal", protocol="ssp", min_area=2048)
    with pytest.raises(ConfigError, match="min_area must not be negative"):
        open_benchmark(voc, data="pascal", protocol="cdpnet", min_area=-1)


def test_test_images_are_scaled_down_to_a_limit_and_scored_at_native_size(voc: Path) -> None:
    native = open_benchmark(voc, data="pascal", protocol="cdpnet")
    limited = open_benchmark(voc, data="pascal", protocol="cdpnet", longest_side=64)
    one, other = native.draw(torch.tensor([0])), limited.draw(torch.tensor([0]))
    assert max(one.batch.query_images.shape[-2:]) > 64
    assert max(other.batch.query_images.shape[-2:]) == max(other.batch.support_images.shape[-2:]) == 64
    assert other.batch.support_masks.shape[-2:] == other.batch.support_images.shape[-2:]
    assert torch.equal(one.query_masks, other.query_masks)
    assert "scaled down to 64 pixels" in limited.rules().protocol
    assert native.list_sha256(5) == limited.list_sha256(5)
    larger = open_benchmark(voc, data="pascal", protocol="cdpnet", longest_side=5000)
    assert torch.equal(larger.draw(torch.tensor([0])).batch.query_images, one.batch.query_images)
    for protocol in ("ssp", "hsnet", "pfenet"):
        with pytest.raises(ConfigError, match="leave --longest-side out"):
            open_benchmark(voc, data="pascal", protocol=protocol, longest_side=640)
    with pytest.raises(ConfigError, match="longest_side is at least 32 pixels, not -1"):
        open_benchmark(voc, data="pascal", protocol="cdpnet", longest_side=-1)


def test_other_images_labels_or_names_are_other_data(tmp_path: Path) -> None:
    """Each list of episodes is the same, so the list alone does not tell."""

    def found() -> tuple[EpisodeRules, str, TrainingEpisodes]:
        source = open_benchmark(tmp_path / "copy", data="folder", protocol="cdpnet")
        return source.rules(), source.list_sha256(20), replace(source, split="train").settings()

    make_folder(tmp_path / "own")
    shutil.copytree(tmp_path / "own", tmp_path / "copy")
    all_found = [found()]
    source = open_benchmark(tmp_path / "own", data="folder", protocol="cdpnet")
    assert source.rules() == all_found[0][0]
    for part in ("train", "test"):
        mask = tmp_path / "copy" / part / "masks" / "003.png"
        with Image.open(mask) as image:
            flipped = np.array(image)[:, ::-1]
        Image.fromarray(flipped).save(mask)
    all_found.append(found())
    save_image(tmp_path / "copy" / "test" / "images" / "004.png", seed=9)
    all_found.append(found())
    names = (tmp_path / "copy" / "classes.txt").read_text()
    (tmp_path / "copy" / "classes.txt").write_text(names.replace("red thing", "tomato"))
    all_found.append(found())
    rules, lists, settings = zip(*all_found, strict=True)
    assert (len(set(rules)), len(set(lists))) == (4, 1)
    assert settings[0] != settings[1] == settings[2] == settings[3]  # a novel class and a test image do not matter
    limited = open_benchmark(tmp_path / "own", data="folder", protocol="cdpnet", longest_side=64, split="train")
    assert limited.settings() == replace(settings[0], longest_side=64)


def test_a_fold_without_classes_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, each=1)
    (tmp_path / "classes.txt").write_text("red thing")
    source = open_benchmark(tmp_path, data="folder", protocol="cdpnet", split="train", skip_broken=True)
    with pytest.raises(DataError, match="too few classes for this fold"):
        source.images(0)
