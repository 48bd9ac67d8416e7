"""Labels that lie among the images that they belong to, as `cdpnet label` and `cdpnet labels convert` write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.cli import main
from cdpnet.io.images import scan_images
from cdpnet.labels.examples import read_examples

JOURNAL = ".cdpnet-label.jsonl"


def write(folder: Path, *names: str) -> None:
    """Images of one size, the left half of each white, and empty files of other endings."""
    half = np.zeros((8, 8), np.uint8)
    half[:, :4] = 255
    for path in (folder / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.fromarray(half).save(path)
        else:
            path.touch()


@pytest.mark.parametrize(
    ("names", "of_labels"),
    [
        ((JOURNAL, "masks/a.png", "sheet/a.jpg"), "masks, sheet"),
        (("in/" + JOURNAL, "in/sheet/a.jpg", "in/SegmentationClass/b/c.png"), "in/SegmentationClass, in/sheet"),
        (("classes.txt", "masks/a.png"), "masks"),
        (("voc/classes.txt", "voc/SegmentationClass/a.png"), "voc/SegmentationClass"),
    ],
)
def test_folders_of_labels_hold_no_images(names: tuple[str, ...], of_labels: str, tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b/c.jpg", *names)
    with pytest.warns(UserWarning, match=f"no images are looked for: {of_labels}\\.$"):
        found = scan_images(tmp_path, deep=True)
    assert found.images == [tmp_path / "a.jpg", tmp_path / "b/c.jpg"]


@pytest.mark.parametrize("names", [("masks/a.png",), ("classes.txt", "sheet/a.jpg"), ("b/classes.txt", "masks/a.png")])
def test_other_folders_of_these_names_hold_images(names: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", *names)
    assert scan_images(tmp_path, deep=True).images == [tmp_path / "a.jpg", tmp_path / names[-1]]


def test_the_labels_of_a_job_are_marks_and_its_thumbnails_are_not(tmp_path: Path) -> None:
    write(tmp_path, "photos/a.jpg", "labels/" + JOURNAL, "labels/masks/a.png", "labels/sheet/a.jpg")
    (example,) = read_examples(tmp_path / "photos", tmp_path / "labels", "x")
    assert example.mask.tolist() == [[1] * 4 + [0] * 4] * 8


def test_labels_beside_their_images_are_converted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a.jpg", JOURNAL, "masks/a.png", "sheet/a.jpg")
    (tmp_path / "classes.txt").write_text("cat\n", encoding="utf-8")
    folder, out = str(tmp_path), str(tmp_path / "out")
    assert main(["labels", "convert", folder, out, "--images", folder, "--format", "yolo"]) == 0
    assert "1 image from png to yolo" in capsys.readouterr().out
