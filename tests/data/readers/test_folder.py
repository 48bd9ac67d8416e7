"""The reader of folders of one's own, whole and broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdpnet.data.config import DataConfig
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.folder import open_folder
from cdpnet.errors import DataError
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


@pytest.mark.parametrize(
    ("parts", "val", "test", "scored"),
    [
        (("train", "val", "test"), "val", "test", "test/"),
        (("train", "val"), "val", "val", "val/"),
        (("train", "test"), "test", "test", "test/"),
        (("",), "", "", "images/"),
    ],
)
def test_validation_and_tests_have_the_folders_of_their_names(
    parts: tuple[str, ...], val: str, test: str, scored: str, tmp_path: Path
) -> None:
    make_folder(tmp_path, parts=parts, each=1)
    data = DataOnDisk(DataConfig(data="folder", root=str(tmp_path)))
    for split, folder in (("train", parts[0]), ("val", val), ("test", test)):
        path = data.reader.image_path(data.image_set(split), "000")  # type: ignore[arg-type]
        assert path == tmp_path / folder / "images" / "000.png"
    assert data.reader.edition == scored
    assert data.shares_images == (parts == ("",))


def test_control_characters_in_a_list_of_names_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "parts")
    (tmp_path / "parts" / "classes.txt").write_text("door\n\x1b[31mlamp\n")
    with pytest.raises(DataError, match=r"Line 2 of .*classes.txt holds a control character: \\x1b\[31mlamp"):
        assert open_folder(tmp_path / "parts").class_names
