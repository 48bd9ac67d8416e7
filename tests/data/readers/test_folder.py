"""The reader of folders of one's own, whole and broken."""

from __future__ import annotations

from pathlib import Path

from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.folder import open_folder
from tests.data.trees import make_coco, make_folder


def test_folder_parts_and_one_coco_file(tmp_path: Path) -> None:
    make_folder(tmp_path / "parts")
    data = open_folder(tmp_path / "parts")
    assert data.class_names == ("red thing", "blue thing", "door", "lamp", "roof")
    assert len(data.identifiers("train")) == len(data.identifiers("val")) == 16
    assert data.image_path("val", "003") == tmp_path / "parts" / "test" / "images" / "003.png"
    make_coco(tmp_path / "coco")
    (tmp_path / "one").mkdir()
    (tmp_path / "coco" / "annotations" / "instances_val2014.json").rename(tmp_path / "one" / "labels.json")
    (tmp_path / "coco" / "val2014").rename(tmp_path / "one" / "images")
    one = open_folder(tmp_path / "one")
    assert one.identifiers("train") == one.identifiers("val") == ("COCO_0.jpg", "COCO_1.jpg", "COCO_2.jpg")
    assert build_index(one, "train").areas.sum() == 220
