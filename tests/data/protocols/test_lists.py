"""List files in HSNet's format, and what a pickle may not do."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cdpnet.data.protocols.lists import read_lists
from cdpnet.errors import DataError


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("below", ["", "pascal"])
def test_text_lists(tmp_path: Path, below: str) -> None:
    write(tmp_path / below / "val" / "fold0.txt", "2007_000033__01\n2007_000061__04\n2007_000061__02\n")
    pool = read_lists(tmp_path, "pascal", "val", [0], (1, 2, 3, 4, 5))
    assert pool.pairs == (("2007_000033", 1), ("2007_000061", 4), ("2007_000061", 2))
    assert pool.classes_of_image["2007_000061"] == [2, 4]


def test_training_takes_the_other_folds_in_order(tmp_path: Path) -> None:
    for fold in (1, 2, 3):
        write(tmp_path / "trn" / f"fold{fold}.txt", f"image_{fold}__{5 * fold + 1:02d}\n")
    pool = read_lists(tmp_path, "pascal", "train", [1, 2, 3], tuple(range(6, 21)))
    assert pool.pairs == (("image_1", 6), ("image_2", 11), ("image_3", 16))


def test_pickles_of_plain_lists(tmp_path: Path) -> None:
    found = {0: ["val2014/a.jpg", "val2014/b.jpg"], 4: ["val2014/b.jpg"]}
    write(tmp_path / "coco" / "val" / "fold0.pkl", pickle.dumps(found))
    pool = read_lists(tmp_path, "coco", "val", [0], (1, 5))
    assert pool.pairs == (("val2014/a.jpg", 1), ("val2014/b.jpg", 1), ("val2014/b.jpg", 5))


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_a_malicious_pickle_does_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "touched"
    write(tmp_path / "val" / "fold0.pkl", pickle.dumps({0: [Malicious(trap)]}))
    with pytest.raises(DataError, match=r"is refused .*plain lists and strings and nothing else"):
        read_lists(tmp_path, "coco", "val", [0], (1,))
    assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("fold0.txt", "2007_000033\n", "holds the line '2007_000033'"),
        ("fold0.txt", "2007_000033__06\n", r"for class 6, which is not one of \[1, 2\]"),
        ("fold0.txt", b"\xff\xfe\x00", "is not a text file in UTF-8"),
        ("fold0.txt", "\n", "lists no image"),
        ("fold1.txt", "a__01\n", "There is no list"),
    ],
)
def test_bad_text_lists(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    write(tmp_path / "val" / name, content)
    with pytest.raises(DataError, match=says):
        read_lists(tmp_path, "pascal", "val", [0], (1, 2))


@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_binary_protocol(protocol: int, tmp_path: Path) -> None:
    name = "val2014/ä.jpg"
    write(tmp_path / "val" / "fold0.pkl", pickle.dumps({0: [name], 300: [name, "b.jpg"] * 999, 70_000: []}, protocol))
    pool = read_lists(tmp_path, "coco", "val", [0], (1, 301))
    assert pool.pairs == ((name, 1), *((name, 301), ("b.jpg", 301)) * 999)


BAD_PICKLES = {
    "empty": b"",
    "a list": pickle.dumps([1, 2]),
    "a text": pickle.dumps({0: "abc"}),
    "a text for a number": pickle.dumps({"a": []}),
    "no mark": b"\x80\x02}u.",
    "no value": b"\x80\x02.",
    "a key without a value": b"\x80\x02}(K\x00u.",
    "a list as key": b"\x80\x02}]]s.",
    "added to a number": b"\x80\x02K\x00K\x00a.",
    "a memory of gigabytes": b"\x80\x02]r\xff\xff\xff\x7f.",  # C code takes room for as many
    "a list of itself": b"\x80\x02]q\x00h\x00a.",
    "cut off": pickle.dumps({0: ["abc"] * 9})[:-9],
}


@pytest.mark.parametrize("content", BAD_PICKLES.values(), ids=BAD_PICKLES)
def test_bad_pickles(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "val" / "fold0.pkl", content)
    with pytest.raises(DataError, match=r"pickle of plain lists|does not hold a dictionary"):
        read_lists(tmp_path, "coco", "val", [0], (1,))


def test_no_lists_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is neither"):
        read_lists(tmp_path, "pascal", "val", [0], (1,))
