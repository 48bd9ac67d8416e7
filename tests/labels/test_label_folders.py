"""Labels among the images that they belong to, as `label` and `labels convert` write them, and without an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.io.images import scan_images
from cdpnet.labels.examples import read_examples
from tests.cli.running import run

JOURNAL = ".cdpnet-label.jsonl"


def write(folder: Path, *names: str) -> None:
    """Images of one size, the left half of each of number 1, and empty files of other endings."""
    half = np.zeros((8, 8), np.uint8)
    half[:, :4] = 1
    for path in (folder / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.fromarray(half).save(path)
        else:
            path.touch()


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ((JOURNAL, "masks/a.png", "sheet/a.jpg"), "masks, sheet"),
        (("in/" + JOURNAL, "in/sheet/a.jpg", "in/SegmentationClass/b/c.png"), "in/SegmentationClass, in/sheet"),
        (("classes.txt", "masks/a.png"), "masks"),
        (("voc/classes.txt", "voc/SegmentationClass/a.png"), "voc/SegmentationClass"),
        (
            ("a_mask.png", "a_overlay.png", "b/c_mask.png", "b/c_overlay.png"),
            "a_mask.png, a_overlay.png, b/c_m.*",
        ),
    ],
)
def test_labels_are_no_images(names: tuple[str, ...], labels: str, tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b/c.jpg", *names)
    with pytest.warns(UserWarning, match=f"not read as images: {labels}\\.$"):
        found = scan_images(tmp_path, deep=True)
    assert found.images == [tmp_path / "a.jpg", tmp_path / "b/c.jpg"]


@pytest.mark.parametrize(
    "names",
    [
        ("masks/a.png",),
        ("classes.txt", "sheet/a.jpg"),
        ("b/classes.txt", "masks/a.png"),
        ("a_overlay.png",),
        ("b_mask.png", "b_overlay.png"),
    ],
)
def test_what_is_only_called_as_labels_is_an_image(names: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", *names)
    images = [tmp_path / name for name in ("a.jpg", *names) if not name.endswith("txt")]
    assert scan_images(tmp_path, deep=True).images == images


def test_the_labels_of_a_job_are_marks_and_its_thumbnails_are_not(tmp_path: Path) -> None:
    write(tmp_path, "photos/a.jpg", "labels/" + JOURNAL, "labels/masks/a.png", "labels/sheet/a.jpg")
    (example,) = read_examples(tmp_path / "photos", tmp_path / "labels", "x")
    assert example.mask.tolist() == [[1] * 4 + [0] * 4] * 8


def test_masks_without_an_image_are_told(tmp_path: Path) -> None:
    write(tmp_path, "photos/a.jpg", "masks/A.png", "masks/b.png", "masks/readme.txt")
    with pytest.warns(UserWarning, match=r"No image in .*photos has the name of .*masks/b\.png; it is left out\.$"):
        (example,) = read_examples(tmp_path / "photos", tmp_path / "masks", "x")
    assert example.image == tmp_path / "photos/a.jpg"


def test_labels_beside_their_images_are_converted_once(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", JOURNAL, "masks/a.png", "sheet/a.jpg")
    (tmp_path / "classes.txt").write_text("cat\n", encoding="utf-8")
    folder, out = tmp_path, tmp_path / "out"
    shown = run("labels", "convert", folder, out, "--images", folder, "--format", "yolo")
    assert shown.stdout == f"1 image from png to yolo: {out}\n"


@pytest.mark.parametrize("name", ["coco", "labelstudio", "cvat"])
def test_a_folder_with_a_file_about_all_images(name: str, tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", "images/b.jpg", "png/masks/a.png", "png/masks/b.png")
    options = ("--images", "images", "--format")
    assert run("labels", "convert", "png", "out", *options, name, cwd=tmp_path).returncode == 0
    assert len(read_examples(tmp_path / "images", tmp_path / "out", "1")) == 2
    (tmp_path / "images/b.jpg").unlink()
    shown = run("labels", "convert", "out", "labelme", *options, "labelme", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, f"1 image from {name} to labelme: labelme\n")
    assert shown.stderr == "cdpnet: out: images that are not in images are left out (1).\n"
