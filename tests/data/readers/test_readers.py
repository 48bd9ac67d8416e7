"""Readers against trees made by hand, and every kind of broken data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from cdpnet.data.protocols import index as index_module
from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.coco import open_coco
from cdpnet.data.readers.folder import open_folder
from cdpnet.data.readers.fss import fss_split, open_fss
from cdpnet.data.readers.voc import open_voc
from cdpnet.errors import DataError
from tests.data.trees import labels_of, make_coco, make_folder, make_fss, make_voc, save_labels

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDPNET_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("palette", [True, False])
def test_voc_labels_and_areas(tmp_path: Path, palette: bool) -> None:
    made = make_voc(tmp_path / "VOCdevkit" / "VOC2012", palette=palette)
    data = open_voc(tmp_path)
    assert data.identifiers("val") == tuple(made)[24:]
    assert data.identifiers("train") == tuple(made)[:24]
    index = build_index(data, "val")
    assert index.identifiers == data.identifiers("val")
    for name, size, areas in zip(index.identifiers, index.sizes, index.areas, strict=True):
        truth = made[name]
        assert tuple(size) == truth.shape
        assert areas.tolist() == [int((truth == number).sum()) for number in range(1, 21)]
        assert np.array_equal(data.labels("val", name), np.where(truth == 255, -1, truth.astype(int)))


def test_palette_and_grey_masks_give_the_same_index(tmp_path: Path) -> None:
    indexes = []
    for palette in (True, False):
        make_voc(tmp_path / str(palette), palette=palette)
        indexes.append(build_index(open_voc(tmp_path / str(palette)), "val"))
    assert indexes[0].identifiers == indexes[1].identifiers
    assert np.array_equal(indexes[0].areas, indexes[1].areas)


def test_augmented_masks_and_those_of_sbd(tmp_path: Path) -> None:
    made = make_voc(tmp_path)
    data = open_voc(tmp_path)
    name = data.identifiers("val")[0]
    save_labels(tmp_path / "SegmentationClassAug" / f"{name}.png", labels_of(99, 20, made[name].shape))
    save_labels(tmp_path / "SegmentationClassAug" / "2008_000001.png", labels_of(98, 20))
    boundaries = {"Segmentation": labels_of(97, 20)}
    (tmp_path / "SBD" / "cls").mkdir(parents=True)
    savemat(tmp_path / "SBD" / "cls" / "2008_000002.mat", {"GTcls": boundaries})
    data = open_voc(tmp_path)
    assert data.identifiers("train") == (*tuple(made)[:24], "2008_000001", "2008_000002")
    assert np.array_equal(data.labels("val", name) == -1, labels_of(99, 20, made[name].shape) == 255)
    truth = labels_of(97, 20)
    assert np.array_equal(data.labels("train", "2008_000002"), np.where(truth == 255, -1, truth.astype(int)))
    (tmp_path / "SBD" / "cls" / "2008_000002.mat").write_bytes(b"not a mat file")
    with pytest.raises(DataError, match="not a class segmentation of SBD"):
        data.labels("train", "2008_000002")


def test_vocs_own_masks_come_before_those_of_sbd(tmp_path: Path) -> None:
    made = make_voc(tmp_path)
    name = tuple(made)[30]
    (tmp_path / "SBD" / "cls").mkdir(parents=True)
    savemat(tmp_path / "SBD" / "cls" / f"{name}.mat", {"GTcls": {"Segmentation": labels_of(97, 20, made[name].shape)}})
    (tmp_path / "SBD" / "cls" / ".DS_Store").write_text("")
    data = open_voc(tmp_path)
    assert np.array_equal(data.labels("val", name) == -1, made[name] == 255)
    assert set(data.identifiers("train")) == set(tuple(made)[:24])


def test_a_list_of_the_augmented_set_wins(tmp_path: Path) -> None:
    make_voc(tmp_path)
    lines = "/JPEGImages/2007_000003.jpg /SegmentationClassAug/2007_000003.png\n2007_000001\n"
    (tmp_path / "ImageSets" / "Segmentation" / "train_aug.txt").write_text(lines)
    assert open_voc(tmp_path).identifiers("train") == ("2007_000003", "2007_000001")


def test_coco_overlaps_crowds_polygons_and_runs(tmp_path: Path) -> None:
    """The dog is the smaller and lies on the car, though it comes first; the crowd shows where no object lies."""
    make_coco(tmp_path)
    data = open_coco(tmp_path)
    assert data.class_names == ("car", "dog")
    assert data.categories == ("vehicle", "animal")
    names = data.identifiers("val")
    assert names == ("val2014/COCO_0.jpg", "val2014/COCO_1.jpg", "val2014/COCO_2.jpg")
    expected = np.zeros((20, 30), int)
    expected[5:15, 5:20] = -1
    expected[0:10, 0:10] = 1
    expected[2:6, 2:6] = 2
    assert np.array_equal(data.labels("val", names[0]), expected)
    assert (data.labels("val", names[1])[:4] == 2).all()
    assert not data.labels("val", names[2]).any()
    assert build_index(data, "val").areas.tolist() == [[84, 16], [0, 120], [0, 0]]
    with pytest.raises(DataError, match="no annotations for train"):
        data.identifiers("train")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "is not whole JSON"),
        (lambda text: text.replace('"annotations"', '"notes"'), "not a COCO file of instances"),
        (lambda text: text.replace('"height": 20, ', "", 1), "not a COCO file of instances"),
        (lambda text: text.replace('"category_id": 3', '"category_id": 4'), "does not list both|not list both"),
    ],
)
def test_broken_coco_files(tmp_path: Path, change: object, says: str) -> None:
    path = make_coco(tmp_path)
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match=says):
        open_coco(tmp_path).identifiers("val")


def test_the_year_with_both_parts_is_taken(tmp_path: Path) -> None:
    path = make_coco(tmp_path)
    for name in ("instances_val2017.json", "instances_train2017.json"):
        (path.parent / name).write_bytes(path.read_bytes())
    assert open_coco(tmp_path).edition == "instances_train2017.json, instances_val2017.json"
    (path.parent / "instances_train2014.json").write_bytes(path.read_bytes())
    assert open_coco(tmp_path).edition == "instances_train2014.json, instances_val2014.json"
    path.write_text(path.read_text().replace('"vehicle"', '""'))
    assert open_coco(tmp_path).categories is None


def test_an_object_that_cannot_be_drawn(tmp_path: Path) -> None:
    path = make_coco(tmp_path)
    content = json.loads(path.read_text())
    content["annotations"][3]["segmentation"] = {"counts": [1, 2], "size": [5, 5]}
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="the region of annotation 4 cannot be drawn"):
        build_index(open_coco(tmp_path), "val")
    assert len(build_index(open_coco(tmp_path), "val", skip_broken=True).identifiers) == 2


def test_fss_classes_and_split(tmp_path: Path) -> None:
    make_fss(tmp_path)
    data = open_fss(tmp_path)
    assert data.class_names[:2] == ("thing 00", "thing 01")
    assert data.identifiers("val")[:4] == ("thing_00/1", "thing_00/2", "thing_00/10", "thing_01/1")
    assert build_index(data, "val").areas[5].tolist() == [0, 20 * 12] + [0] * 23
    split = fss_split(data.class_folders, None)
    assert [len(split[name]) for name in ("train", "val", "test")] == [13, 6, 6]
    assert sorted(sum(split.values(), ())) == list(range(1, 26))
    for name, content in (("trn.txt", "thing_03\nthing_01\n"), ("val.txt", "thing_00\n"), ("test.txt", "thing_99\n")):
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match="names the class thing_99"):
        fss_split(data.class_folders, tmp_path)
    (tmp_path / "test.txt").write_text("thing_04")
    assert fss_split(data.class_folders, tmp_path) == {"train": (2, 4), "val": (1,), "test": (5,)}


def test_folder_parts_and_one_coco_file(tmp_path: Path) -> None:
    make_folder(tmp_path / "parts")
    data = open_folder(tmp_path / "parts")
    assert data.class_names == ("red thing", "blue thing", "door", "lamp", "roof")
    assert len(data.identifiers("train")) == len(data.identifiers("val")) == 16
    assert data.image("val", "003") == tmp_path / "parts" / "test" / "images" / "003.png"
    make_coco(tmp_path / "coco")
    (tmp_path / "one").mkdir()
    (tmp_path / "coco" / "annotations" / "instances_val2014.json").rename(tmp_path / "one" / "labels.json")
    (tmp_path / "coco" / "val2014").rename(tmp_path / "one" / "images")
    one = open_folder(tmp_path / "one")
    assert one.identifiers("train") == one.identifiers("val") == ("COCO_0.jpg", "COCO_1.jpg", "COCO_2.jpg")
    assert build_index(one, "train").areas.sum() == 220


def broken_folder(root: Path) -> None:
    """Five of sixteen images cannot be used, each for a reason of its own."""
    make_folder(root, parts=("train",))
    images, masks = root / "train" / "images", root / "train" / "masks"
    (images / "001.png").write_bytes((images / "001.png").read_bytes()[:3000])
    save_labels(masks / "002.png", labels_of(2, 5, (60, 60)))
    wrong = labels_of(3, 5)
    wrong[0, 0] = 9
    save_labels(masks / "003.png", wrong)
    (masks / "004.png").unlink()
    Image.new("RGB", (120, 104)).save(masks / "005.png")


def test_broken_images_are_named_and_the_rest_is_right(tmp_path: Path) -> None:
    make_folder(tmp_path / "whole", parts=("train",))
    broken_folder(tmp_path / "broken")
    with pytest.raises(DataError, match=r"001.png cannot be decoded .*\(4 more cannot .*--skip_broken true"):
        build_index(open_folder(tmp_path / "broken"), "train")
    whole = build_index(open_folder(tmp_path / "whole"), "train")
    rest = build_index(open_folder(tmp_path / "broken"), "train", skip_broken=True)
    said = " ".join(rest.broken)
    for sentence in ("cannot be decoded", "60 x 60 pixels and the image 120 x 104", "holds the number 9"):
        assert sentence in said
    assert "There is no mask" in said
    assert "holds colours" in said
    kept = [whole.identifiers.index(identifier) for identifier in rest.identifiers]
    assert kept == [0, *range(6, 16)]
    assert np.array_equal(rest.areas, whole.areas[kept])


def test_folders_that_are_not_data(tmp_path: Path) -> None:
    for opener, says in (
        (open_voc, "There is no JPEGImages"),
        (open_coco, "instances_val2014"),
        (open_fss, "No folder"),
    ):
        with pytest.raises(DataError, match=says):
            opener(tmp_path)
    with pytest.raises(DataError, match=r"There is no classes.txt"):
        open_folder(tmp_path)
    for content, says in (
        (b"a\n\nb\n", "Line 2 .* is empty"),
        (b"a\nb\na\n", "Line 3 .* repeats 'a'"),
        (b"caf\xe9", "UTF-8"),
    ):
        (tmp_path / "classes.txt").write_bytes(content)
        with pytest.raises(DataError, match=says):
            print(open_folder(tmp_path).class_names)
    (tmp_path / "classes.txt").write_bytes(b"\xef\xbb\xbfa\n")
    assert open_folder(tmp_path).class_names == ("a",)
    with pytest.raises(DataError, match="There is no folder"):
        open_folder(tmp_path).identifiers("train")
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        open_folder(tmp_path).identifiers("train")
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    with pytest.raises(DataError, match="have one stem"):
        open_folder(tmp_path).identifiers("train")


def test_the_cache_is_used_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path)
    data = open_folder(tmp_path)
    seen: list[tuple[int, int]] = []
    first = build_index(data, "train", report=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 16) for i in range(1, 17)]
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "read_image", lambda path: pytest.fail(f"{path} was read again"))
        again = build_index(data, "train")
    assert again.identifiers == first.identifiers
    assert np.array_equal(again.areas, first.areas)
    save_labels(tmp_path / "train" / "masks" / "000.png", np.full((104, 120), 4, np.uint8))
    assert build_index(data, "train").areas[0].tolist() == [0, 0, 0, 104 * 120, 0]
    for path in index_module.cache_folder().iterdir():
        path.write_bytes(b"damaged")
    assert build_index(data, "train").areas[0, 3] == 104 * 120


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "data")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CDPNET_CACHE", str(tmp_path / "file"))
    assert len(build_index(open_folder(tmp_path / "data"), "train").identifiers) == 16


@pytest.mark.skipif(not SHARED.is_dir(), reason="the photographs are not at hand")
def test_real_photographs() -> None:
    camvid = open_folder(SHARED / "camvid")
    assert camvid.class_names[8] == "car"
    assert [len(camvid.identifiers(part)) for part in ("train", "val")] == [367, 233]
    coco = open_coco(SHARED / "coco-tiny")
    assert len(coco.class_names) == 80
    index = build_index(coco, "val")
    assert len(index.identifiers) == 80
    assert not index.broken
