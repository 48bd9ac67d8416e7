"""VOC's reader against trees made by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.voc import open_voc
from cdpnet.errors import DataError
from tests.data.trees import labels_of, make_voc, save_labels


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


@pytest.mark.parametrize("damage", ["bomb", "bomb of the other byte order", "cut off", "large", "pipe"])
def test_files_of_sbd_take_no_memory(damage: str, tmp_path: Path) -> None:
    make_voc(tmp_path)
    (tmp_path / "SBD" / "cls").mkdir(parents=True)
    path = tmp_path / "SBD" / "cls" / "2008_000002.mat"
    side = 2100 if "bomb" in damage else 50
    savemat(path, {"GTcls": {"Segmentation": np.zeros((side, side), np.uint8)}}, do_compression=True)
    content = path.read_bytes()
    data = open_voc(tmp_path)
    if damage == "bomb of the other byte order":
        head = content[126:128][::-1] + content[128:136][3::-1] + content[128:136][:3:-1]
        path.write_bytes(content[:126] + head + content[136:])
    elif damage == "cut off":
        path.write_bytes(content[:130])
    elif damage == "large":
        os.truncate(path, 2**40)
    elif damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(DataError, match=r"class segmentation of SBD|There is no mask of 2008_000002"):
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


def test_an_image_that_a_list_names_twice_counts_once(tmp_path: Path) -> None:
    make_voc(tmp_path, train=2, val=3)
    listed = tmp_path / "ImageSets" / "Segmentation" / "val.txt"
    listed.write_text("2007_000002\r\n2007_000004\r\n\r\n2007_000002\r\n")
    with pytest.warns(UserWarning, match="names images twice, 2007_000002; each of them counts once"):
        assert open_voc(tmp_path).identifiers("val") == ("2007_000002", "2007_000004")
    listed.write_text("\n")
    with pytest.raises(DataError, match=r"val.txt names no image"):
        open_voc(tmp_path).identifiers("val")
