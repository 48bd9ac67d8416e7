"""Every data set has a reader, and every reader refuses a folder of another kind."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from cdpnet.data.config import DataName
from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.coco import open_coco
from cdpnet.data.readers.folder import open_folder
from cdpnet.data.readers.fss import open_fss
from cdpnet.data.readers.registry import READERS
from cdpnet.data.readers.voc import open_voc
from cdpnet.errors import DataError

SHARED = Path(__file__).parents[4] / "shared" / "data"


def test_every_data_set_but_the_icons_has_a_reader() -> None:
    assert set(READERS) == set(get_args(DataName)) - {"icons"}


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
        (b"\n\n", "classes.txt is empty"),
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


@pytest.mark.skipif(not SHARED.is_dir(), reason="the photographs are not at hand")
def test_real_photographs() -> None:
    camvid = open_folder(SHARED / "camvid")
    assert camvid.class_names[8] == "car"
    assert [len(camvid.identifiers(part)) for part in camvid.image_sets] == [367, 101, 233]
    coco = open_coco(SHARED / "coco-tiny")
    assert len(coco.class_names) == 80
    index = build_index(coco, "val")
    assert len(index.identifiers) == 80
    assert not index.broken
