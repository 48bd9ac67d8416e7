"""What `labels convert` and `labels compare` say of files and classes that do not fit together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.label_folders import SIZE, convert, make_folder
from tests.cli.running import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def test_masks_beside_labelme_files_are_ambiguous(folder: Path) -> None:
    """But a folder `masks` without masks is not in the way, nor is JSON of another kind beside masks."""
    assert convert(folder, "coco", "both", "--format", "labelme").returncode == 0
    (folder / "both" / "masks").mkdir()
    assert convert(folder, "both", "a", "--format", "coco").stdout.startswith("2 images from labelme")
    assert convert(folder, "coco", "png", "--format", "png").returncode == 0
    (folder / "png" / "about.json").write_text("{}")
    assert convert(folder, "png", "b", "--format", "coco").stdout.startswith("2 images from png")
    shutil.copytree(folder / "png" / "masks", folder / "both" / "masks", dirs_exist_ok=True)
    shown = convert(folder, "both", "c", "--format", "coco")
    assert shown.returncode == 2
    assert "both has masks and files of LabelMe; say which are meant by --from png or labelme." in shown.stderr
    assert convert(folder, "both", "d", "--format", "coco", "--from", "png").returncode == 0
    assert convert(folder, "both", "e", "--format", "coco", "--from", "labelme").returncode == 0


@pytest.mark.parametrize("name", ["labelme", "yolo"])
def test_a_class_that_a_format_reads_as_no_object_is_refused(name: str, folder: Path) -> None:
    """Unless it is only listed, as by programs that make COCO of LabelMe's files."""
    path = folder / "coco" / "annotations.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 3, "name": "_background_"})
    path.write_text(json.dumps(content))
    assert convert(folder, "coco", "listed", "--format", name).returncode == 0
    listed = [
        path.read_text() for ending in ("txt", "yaml", "json") for path in (folder / "listed").rglob(f"*.{ending}")
    ]
    assert "_background_" not in "".join(listed)
    content["annotations"][0]["category_id"] = 3
    path.write_text(json.dumps(content))
    shown = convert(folder, "coco", "shown", "--format", name)
    assert shown.returncode == 2
    assert f"The format {name} has the name _background_ for what is no object, so it cannot hold a" in shown.stderr
    assert not (folder / "shown").exists()


@pytest.mark.parametrize("source", ["labelme", "yolo", "png", "voc"])
def test_label_files_without_an_image_are_told(source: str, folder: Path) -> None:
    assert convert(folder, "coco", "source", "--format", source).returncode == 0
    (folder / "images" / "a.png").unlink()
    expected = "label files that have the name of no image in images, such as a."
    compare = ("labels", "compare", "coco", "source", "--images", "images", "--out", "page.html")
    for shown in (convert(folder, "source", "out"), run(*compare, cwd=folder)):
        assert shown.returncode == 0, shown.stderr
        assert f"source: {expected}" in shown.stderr
        assert "are left out (1)." in shown.stderr


def test_classes_that_the_truth_does_not_have_are_told(folder: Path) -> None:
    """Masks without classes.txt, whose class is a number, are compared with labels of a name."""
    (folder / "truth").mkdir()
    Image.new("L", SIZE[::-1], 255).save(folder / "truth" / "a.png")
    shown = run("labels", "compare", "truth", "coco", "--images", "images", "--out", "page.html", cwd=folder)
    assert shown.returncode == 0
    assert "truth has no class 'crack', 'dent'; it has 1; a number is a class that no classes.txt" in shown.stderr
    (folder / "truth" / "classes.txt").write_text("crack\n")
    shown = run("labels", "compare", "truth", "coco", "--images", "images", "--out", "b.html", cwd=folder)
    assert shown.stderr == "cdpnet: truth has no class 'dent'; it has crack.\n"
