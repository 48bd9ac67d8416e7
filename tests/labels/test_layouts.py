"""Data sets whose parts have images of one name: each goes with the label file of its own part."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.labels.examples import read_examples
from cdpnet.labels.reading import read_labels, recognise

WIDTH, HEIGHT = 60, 40
PARTS = {"train": 10, "valid": 20, "test": 30}  # columns that are marked in each
LAYOUTS = {  # where images and labels of a part lie
    "roboflow": ("{}/images", "{}/labels"),
    "ultralytics": ("images/{}", "labels/{}"),
    "beside": ("{}", "{}"),
    "photos": ("photos/{}", "labels/{}"),
    "apart": ("photos/{}", "yolo/{}/labels"),
}


def make(root: Path, layout: str) -> tuple[str, str]:
    """A data set of three parts, in each a.jpg with its own mark; gives the folders of images and labels of a part."""
    for part, columns in PARTS.items():
        images, labels = (root / folder.format(part) for folder in LAYOUTS[layout])
        images.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(images / "a.jpg")
        right = (columns - 0.5) / WIDTH  # of the last column
        (labels / "a.txt").write_text(f"0 0 0 {right} 0 {right} 0.49 0 0.49\n")
    return LAYOUTS[layout]


def columns_of(source: Path, images: Path) -> dict[str, int]:
    found = read_labels(source, images)
    assert not found.failed
    return {name: labels.area(labels.regions[0]) // 20 for name, labels in found.labels.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_of_a_data_set(layout: str, tmp_path: Path) -> None:
    folder, _ = make(tmp_path, layout)
    (tmp_path / "classes.txt").write_text("cat\n")
    assert layout == "beside" or recognise(tmp_path) == "yolo"
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    assert recognise(tmp_path) == "yolo"
    whole = {f"{folder.format(part)}/a.jpg": columns for part, columns in PARTS.items()}
    assert columns_of(tmp_path, tmp_path) == whole
    examples = read_examples(tmp_path, tmp_path, "cat" if layout != "apart" else "0")
    shown = {found.image.relative_to(tmp_path).as_posix(): int((found.mask == 1).sum()) // 20 for found in examples}
    assert shown == whole
    for part, columns in PARTS.items():
        assert columns_of(tmp_path, tmp_path / folder.format(part)) == {"a.jpg": columns}


def test_labels_of_one_part(tmp_path: Path) -> None:
    make(tmp_path, "roboflow")
    for labels in ("valid/labels", "valid/labels/a.txt"):
        assert columns_of(tmp_path / labels, tmp_path) == {"valid/images/a.jpg": 20}
    (example,) = read_examples(tmp_path, tmp_path / "valid/labels", "0")
    assert example.image == tmp_path / "valid/images/a.jpg"


def test_upper_and_lower_case_of_file_names(tmp_path: Path) -> None:
    make(tmp_path, "beside")
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    (tmp_path / "valid" / "a.txt").rename(tmp_path / "valid" / "A.TXT")
    assert columns_of(tmp_path, tmp_path)["valid/a.jpg"] == 20


def test_what_may_be_meant_twice_is_told(tmp_path: Path) -> None:
    """Nothing in the paths says which part the labels in x and y are of."""
    make(tmp_path, "roboflow")
    for part, other in (("train", "x"), ("valid", "y")):
        (tmp_path / part / "labels").rename(tmp_path / other)
    found = read_labels(tmp_path, tmp_path, "yolo")
    assert list(found.labels) == ["test/images/a.jpg"]
    assert "train/images/a.jpg may be marked by" in found.failed["train/images/a.jpg"]
    with pytest.raises(DataError, match=r"may be marked by .*x/a.txt or .*y/a.txt; give the folder"):
        read_examples(tmp_path, tmp_path, "0")
