"""The commands labels convert and labels compare, and their sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.labels.formats import write_labels
from cdpnet.labels.label_set import LabelSet
from tests.cli.label_folders import SIZE, convert, labels_of, make_folder
from tests.cli.running import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def test_labels_go_through_several_formats(folder: Path) -> None:
    formats = ("labelme", "yolo", "cvat", "labelstudio", "coco")
    source = previous = "coco"
    for i, name in enumerate(formats):
        shown = convert(folder, source, f"{i}", "--format", name)
        assert shown.returncode == 0, shown.stderr
        assert shown.stderr == ""
        assert shown.stdout == f"2 images from {previous} to {name}: {i}\n"
        source, previous = f"{i}", name
    shown = run("labels", "compare", "coco", source, "--images", "images", "--out", "page.html", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "2 images, mean IoU 100.0; see page.html" in shown.stdout
    page = (folder / "page.html").read_text()
    assert page.count("<figure>") == 2
    assert "deep/b.png" in page
    assert "<td><i class=class style='background: rgb(255 112 32)'></i>crack</td><td>100.0</td>" in page


def test_overlapping_classes_are_told_where_one_wins(folder: Path) -> None:
    shown = convert(folder, "coco", "png", "--format", "png")
    assert shown.stderr == "cdpnet: In 2 images classes overlap; there the later one wins.\n"
    mask = np.array(Image.open(folder / "png" / "masks" / "a.png"))
    assert (mask == 2).sum() == 24
    assert (mask == 1).sum() == 96 - 8


def test_instances(folder: Path) -> None:
    options = ("--format", "coco", "--instances", "--fill-holes", "--min-area", "97")
    assert convert(folder, "coco", "out", *options).returncode == 0
    content = json.loads((folder / "out" / "annotations.json").read_text())
    assert [annotation["area"] for annotation in content["annotations"]] == [100, 100]


@pytest.mark.parametrize(
    ("name", "label_format", "said"),
    [
        (
            "a\x01.png",
            "cvat",
            r"a\x01.png: Its name has the character \x01, which the format cvat cannot",
        ),
        (f"{'n' * 251}.png", "labelme", ": Its name is too long for that of its label file, which has 255 bytes"),
    ],
)
def test_images_whose_names_the_format_cannot_hold_are_left_out_and_told(
    name: str, label_format: str, said: str, folder: Path
) -> None:
    (folder / "images" / "a.png").rename(folder / "images" / name)
    path = folder / "coco" / "annotations.json"
    path.write_text(path.read_text().replace('"a.png"', json.dumps(name)))
    shown = convert(folder, "coco", "out", "--format", label_format)
    assert shown.returncode == 1, shown.stderr
    assert "1 image from coco" in shown.stdout
    assert f"{said}" in shown.stdout.splitlines()[-1]
    content = json.loads(path.read_text())
    content["images"] = content["images"][:1]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] == 1]
    path.write_text(json.dumps(content))
    shown = convert(folder, "coco", "none", "--format", label_format)
    assert shown.returncode == 2
    assert said in shown.stderr
    assert not (folder / "none").exists()
    assert convert(folder, "out", "back", "--format", "coco").returncode == 0  # beside an image of such a name


def test_images_whose_label_files_would_be_folders_are_left_out_and_told(folder: Path) -> None:
    (folder / "images" / "deep").rename(folder / "images" / "a.json")
    path = folder / "coco" / "annotations.json"
    path.write_text(path.read_text().replace("deep/b.png", "a.json/b.png"))
    shown = convert(folder, "coco", "out", "--format", "labelme")
    assert shown.returncode == 1, shown.stderr
    assert shown.stdout.endswith("not converted: a.png: a.json, a file of its labels, is the folder of other labels; "
                                 "rename the image.\n")  # fmt: skip
    assert [path.name for path in (folder / "out").rglob("*") if path.is_file()] == ["b.json"]
    (folder / "yolo").mkdir()
    (folder / "yolo" / "labels").write_text("mine")
    shown = convert(folder, "coco", "yolo", "--format", "yolo", "--overwrite")
    assert shown.returncode == 2
    assert "yolo/labels is a file, in the place of a folder; move it away, or give another --out." in shown.stderr
    assert [path.name for path in (folder / "yolo").iterdir()] == ["labels"]


def test_crowds_are_converted_where_they_are_asked_for(folder: Path) -> None:
    path = folder / "coco" / "annotations.json"
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        annotation["iscrowd"] = int(annotation["category_id"] == 1)
    path.write_text(json.dumps(content))
    for options, areas in ((), [24, 24]), (("--crowd",), [96, 24, 96, 24]):
        shown = convert(folder, "coco", "out", "--format", "coco", "--overwrite", *options)
        assert shown.returncode == 0, shown.stderr
        assert ("crowd regions are left out (2)" in shown.stderr) == (not options)
        converted = json.loads((folder / "out" / "annotations.json").read_text())
        assert [annotation["area"] for annotation in converted["annotations"]] == areas


def test_several_annotators_are_converted_as_chosen(folder: Path) -> None:
    def annotation(author: int, width: int) -> dict[str, object]:
        box = {"x": 0, "y": 0, "width": 100 * width / SIZE[1], "height": 50, "rectanglelabels": ["crack"]}
        region = {"type": "rectanglelabels", "value": box, "original_width": SIZE[1], "original_height": SIZE[0]}
        return {"completed_by": author, "updated_at": f"2026-01-0{author}", "result": [region]}

    task = {"data": {"image": "a.png"}, "annotations": [annotation(1, 6), annotation(2, 3), annotation(3, 12)]}
    (folder / "tasks.json").write_text(json.dumps([task]))
    for options, width in ((), 12), (("--annotator", "2"), 3), (("--merge", "union"), 12), (("--merge", "majority"), 6):
        shown = convert(folder, "tasks.json", "out", "--format", "png", "--overwrite", *options)
        assert shown.returncode == 0, shown.stderr
        mask = np.array(Image.open(folder / "out" / "masks" / "a.png"))
        assert (mask == 1).sum() == width * SIZE[0] / 2, options
    shown = convert(folder, "tasks.json", "out", "--format", "png", "--overwrite", "--annotator", "4")
    assert shown.returncode == 2
    assert "tasks.json has no annotation by 4; its annotators are 1, 2, 3." in shown.stderr


def test_a_later_run_keeps_the_numbers_of_classes(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "classes.txt").write_text("bolt\ndent\n")
    assert convert(folder, "coco", "out", "--format", "yolo").returncode == 2  # classes.txt would be replaced
    assert convert(folder, "coco", "out", "--format", "yolo", "--overwrite").returncode == 0
    assert (folder / "out" / "classes.txt").read_text() == "bolt\ndent\ncrack\n"
    assert {line[0] for line in (folder / "out" / "labels" / "a.txt").read_text().splitlines()} == {"1", "2"}


def test_a_broken_file_concerns_its_image(folder: Path) -> None:
    convert(folder, "coco", "labelme", "--format", "labelme")
    (folder / "labelme" / "a.json").write_text("{")
    shown = convert(folder, "labelme", "out", "--format", "yolo")
    assert shown.returncode == 1
    assert "1 image from labelme to yolo" in shown.stdout
    assert "not converted: a.png: " in shown.stdout
    assert not (folder / "out" / "labels" / "a.txt").exists()
    shown = run("labels", "compare", "coco", "labelme", "--images", "images", "--out", "page.html", cwd=folder)
    assert shown.returncode == 0
    assert "not compared: a.png: " in shown.stdout


def test_the_worst_image_is_first(folder: Path) -> None:
    target = LabelSet(folder / "images", folder / "found", ("crack", "dent"))
    write_labels([labels_of("a.png", 2), labels_of("deep/b.png", 8)], target, "voc")
    shown = run("labels", "compare", "coco", "found", "--images", "images", "--out", "page.html", cwd=folder)
    lines = shown.stdout.splitlines()
    assert next(i for i, line in enumerate(lines) if "deep/b.png" in line) < next(
        i for i, line in enumerate(lines) if "a.png" in line
    )
    assert "In 2 images" not in shown.stderr
    assert (folder / "page.html").read_text().index("deep/b.png: crack") < (folder / "page.html").read_text().index(
        "a.png: crack"
    )


def test_one_class_is_compared(folder: Path) -> None:
    arguments = ("compare", "coco", "coco", "--images", "images", "--out", "page.html", "--only", "dent")
    shown = run("labels", *arguments, cwd=folder)
    assert "dent" in shown.stdout
    assert "crack" not in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "takes convert or compare, not 'nothing'"),
        (("merge",), "takes convert or compare, not 'merge'"),
        (("convert", "none", "out", "--images", "images"), "There is nothing at none"),
        (("convert", "images", "out", "--images", "none", "--from", "png"), "There is no folder none"),
        (("convert", "coco", "coco", "--images", "images", "--format", "coco"), "exists already|is read by this very"),
        (("convert", "coco", "coco", "--images", "images", "--format", "coco", "--overwrite"), "is read by this very"),
        (("convert", "coco", "images", "--images", "images", "--format", "yolo"), "give --out a folder of its own"),
        (("convert", "coco", "file", "--images", "images"), "file is a file"),
        (("convert", "coco", "out", "--images", "images", "--min-area", "3"), "of --instances; pass that too"),
        (("convert", "coco", "out", "--images", "images", "--instances", "--min-area", "0"), "must be at least 1"),
        (("convert", "coco", "out", "--images", "images", "--label-config", "file"), "not complete XML"),
        (("convert", "coco", "out", "--images", "images", "--format", "kitti"), "--format takes one of png, coco"),
        (
            ("convert", "images", "out", "--images", "images", "--from", "coco"),
            "There is no file images/annot",
        ),
        (("convert", "coco", "out", "--images", "images", "--from", "voc"), "has labels for no image in images"),
        (("convert", "coco", "out", "--images", ""), "is empty where a path is expected"),
        (("compare", "coco", "", "--images", "images", "--out", "a.html"), "is empty where a path is expected"),
        (("convert", "coco", "out"), "What must be given is missing: images"),
        (("compare", "coco", "coco", "--images", "images", "--out", "page.txt"), "does not end in .html"),
        (("compare", "coco", "coco", "--images", "images", "--out", "old.html"), "exists already"),
        (("compare", "coco", "coco", "--images", "images", "--out", "old.html/a.html"), "old.html is a file; give"),
        (
            ("compare", "coco", "coco", "--images", "images", "--out", "a.html", "--only", "bolt"),
            "has no class 'bolt'; it",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: tuple[str, ...], expected: str, folder: Path) -> None:
    (folder / "file").write_text("x")
    (folder / "old.html").write_text("x")
    shown = run("labels", *arguments, cwd=folder)
    assert shown.returncode == 2, shown.stdout
    assert any(part in shown.stderr for part in expected.split("|")), shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert not (folder / "out").exists()


def test_no_model_is_loaded_to_convert(folder: Path) -> None:
    code = (
        "import sys; from cdpnet.cli import main; "
        "code = main(['labels', 'convert', 'coco', 'out', '--images', 'images', '--format', 'yolo']); "
        "print(code, [name for name in ('torch', 'timm', 'open_clip') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert shown.stdout.splitlines()[-1] == "0 []"


def scored(folder: Path, **scores: object) -> None:
    """Give the annotations of each class a score."""
    path = folder / "coco" / "annotations.json"
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    for annotation in content["annotations"]:
        annotation["score"] = scores[names[annotation["category_id"]]]
    path.write_text(json.dumps(content))


def test_scores_go_through_formats_that_hold_them(folder: Path) -> None:
    scored(folder, crack=0.75, dent=None)
    for source, out in (("coco", "labelstudio"), ("labelstudio", "again")):
        shown = convert(folder, source, out, "--format", "coco" if out == "again" else out, "--instances")
        assert (shown.returncode, shown.stderr) == (0, "")
    content = json.loads((folder / "again" / "annotations.json").read_text())
    assert [annotation["score"] for annotation in content["annotations"]] == [0.75, 1.0, 0.75, 1.0]


def test_scores_of_models_in_x_anylabeling(folder: Path) -> None:
    points = [[2, 2], [9, 2], [9, 9]]
    shapes = [{"label": "crack", "points": points, "shape_type": "polygon", "score": score} for score in (0.5, None)]
    (folder / "a.json").write_text(json.dumps({"shapes": shapes, "imageHeight": SIZE[0], "imageWidth": SIZE[1]}))
    assert convert(folder, "a.json", "out", "--format", "coco").returncode == 0
    content = json.loads((folder / "out" / "annotations.json").read_text())
    assert [annotation["score"] for annotation in content["annotations"]] == [0.5, 1.0]


@pytest.mark.parametrize("name", ["png", "labelme", "yolo", "cvat", "voc"])
def test_scores_that_a_format_cannot_hold_are_counted(name: str, folder: Path) -> None:
    scored(folder, crack=0.75, dent=1)
    shown = convert(folder, "coco", "out", "--format", name)
    assert f"The format {name} has no place for scores (2); they are left out." in shown.stderr


def test_a_score_that_is_none_concerns_its_image(folder: Path) -> None:
    path = folder / "coco" / "annotations.json"
    scored(folder, crack=0.75, dent=1)
    content = json.loads(path.read_text())
    content["annotations"][-1]["score"] = "high"
    path.write_text(json.dumps(content))
    shown = convert(folder, "coco", "out", "--format", "coco")
    assert shown.returncode == 1
    assert "b.png: coco/annotations.json: the score of annotation 4 is not a finite number" in shown.stdout
    assert "1 image from coco to coco" in shown.stdout
