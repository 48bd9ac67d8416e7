"""The reader of FSS-1000, and the split of its classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.fss import fss_split, open_fss
from cdpnet.errors import DataError
from tests.data.trees import make_fss


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
    (tmp_path / "test.txt").write_text("thing_04\r\n thing_04 \n")  # once is enough
    assert fss_split(data.class_folders, tmp_path)["test"] == (5,)
    (tmp_path / "test.txt").write_text("\n")
    with pytest.raises(DataError, match=r"test.txt names no class"):
        fss_split(data.class_folders, tmp_path)


def test_lists_of_folders_with_spaces(tmp_path: Path) -> None:
    for name in ("trn", "val", "test"):
        (tmp_path / f"{name}.txt").write_text(f"a {name} thing\n")
    split = fss_split(("a test thing", "a trn thing", "a val thing"), tmp_path)
    assert split == {"train": (2,), "val": (3,), "test": (1,)}
