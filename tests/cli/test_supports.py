"""Examples on the command line: one grammar in segment, learn and label."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.cli.supports import spread_supports, support_pairs
from cdpnet.errors import DataError
from cdpnet.inference.class_files import load_class
from tests.cli.running import run

TINY = ("--model", "tiny")


def test_the_last_colon_divides_image_and_marks() -> None:
    assert support_pairs(["C:/a.png:b.png", "c.png:d.json"]) == [
        (Path("C:/a.png"), Path("b.png")),
        (Path("c.png"), Path("d.json")),
    ]
    for wrong in ("image.png", "image.png:", ":mask.png"):
        with pytest.raises(DataError, match="IMAGE:MARKS"):
            support_pairs([wrong])


def test_a_colon_between_files_that_are_there_comes_first(tmp_path: Path) -> None:
    for name in ("12:30.jpg", "12:30.png"):
        (tmp_path / name).touch()
    assert support_pairs([f"{tmp_path}/12:30.jpg:{tmp_path}/12:30.png"]) == [
        (tmp_path / "12:30.jpg", tmp_path / "12:30.png")
    ]


@pytest.mark.parametrize("all_words", [False, True])
def test_values_after_one_option_are_those_of_the_option_repeated(all_words: bool) -> None:
    given = ["--support", "a:b", "c:d", "--name", "x:y", "--support", "e:f"]
    expected = ["--support", "a:b", "--support", "c:d", "--name", "x:y", "--support", "e:f"]
    assert spread_supports(given, all_words=all_words) == expected


def test_an_image_to_segment_is_no_support(tmp_path: Path) -> None:
    (tmp_path / "12:30.jpg").touch()
    images = [f"{tmp_path}/12:30.jpg", "q.png"]
    assert spread_supports(["--support", "a:b", *images]) == ["--support", "a:b", *images]


@pytest.fixture(scope="module")
def examples(label_job: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One example as mask, LabelMe and COCO file, in folders of their own."""
    root = tmp_path_factory.mktemp("examples")
    for folder in ("photos", "masks", "labelme"):
        (root / folder).mkdir()
    shutil.copy(label_job / "support0.png", root / "photos" / "a.png")
    shutil.copy(label_job / "mask0.png", root / "masks" / "a.png")
    mask = np.array(Image.open(label_job / "mask0.png")) > 0
    (top, left), (bottom, right) = np.argwhere(mask).min(axis=0).tolist(), np.argwhere(mask).max(axis=0).tolist()
    h, w = mask.shape
    shape = {"label": "thing", "points": [[left, top], [right, bottom]], "shape_type": "rectangle"}
    labelme = {"shapes": [shape], "imagePath": "a.png", "imageHeight": h, "imageWidth": w}
    (root / "labelme" / "a.json").write_text(json.dumps(labelme))
    box = [left, top, right, top, right, bottom, left, bottom]
    coco = {
        "images": [{"id": 1, "file_name": "C:\\x\\a.png", "height": h, "width": w}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [box]}],
    }
    (root / "coco.json").write_text(json.dumps(coco))
    return root


def test_every_form_of_support_in_every_command(examples: Path, label_job: Path, tmp_path: Path) -> None:
    supports = [
        f"{examples}/photos/a.png:{examples}/masks/a.png",
        f"{examples}/photos:{examples}/masks",
        f"{examples}/photos/*.png:{examples}/labelme",
        f"{examples}/photos/:{examples}/coco.json",
    ]
    options = (*TINY, "--name", "icon", "--label", "thing")
    both = ("--support", *supports[:2], "--support", *supports[2:])
    learned = run("learn", *options, *both, "-o", tmp_path / "c.safetensors")
    assert learned.returncode == 0, learned.stderr
    assert load_class(tmp_path / "c.safetensors").shots == 1  # of one image
    assert "a.png is labelled several times, and is one example" in learned.stderr
    for i, support in enumerate(supports):
        alone = run("learn", *options, "--support", support, "-o", tmp_path / f"{i}.safetensors")
        assert alone.returncode == 0, alone.stderr
    query = next((label_job / "images").glob("*.png"))
    segmented = run("segment", *options, *both, query, "--out", tmp_path / "masks")
    assert segmented.returncode == 0, segmented.stderr
    folder = tmp_path / "few"
    folder.mkdir()
    shutil.copy(query, folder / "q.png")
    labelled = run("label", *options, *both, folder, "--out", tmp_path / "labels")
    assert labelled.returncode == 0, labelled.stderr
    same = run("label", *TINY, folder, "--classes", tmp_path / "c.safetensors", "--out", tmp_path / "by_file")
    assert same.returncode == 0, same.stderr
    masks = [
        tmp_path / "labels/masks/q.png",
        tmp_path / "by_file/masks/q.png",
        tmp_path / f"masks/{query.stem}_mask.png",
    ]
    first, *others = [np.array(Image.open(path)) for path in masks]
    assert all(np.array_equal(first, other) for other in others)


def test_an_image_that_is_given_twice_is_one_example(examples: Path, tmp_path: Path) -> None:
    photo, mask = examples / "photos" / "a.png", examples / "masks" / "a.png"
    (tmp_path / "link.png").symlink_to(photo)
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    assert run("learn", *TINY, "--name", "icon", "--support", f"{photo}:{mask}", "-o", once).returncode == 0
    both = ("--support", f"{photo}:{mask}", f"{tmp_path}/link.png:{mask}")
    shown = run("learn", *TINY, "--name", "icon", *both, "-o", twice)
    assert shown.stderr.count("is labelled several times, and is one example; what is marked once is marked.") == 1
    assert twice.read_bytes() == once.read_bytes()


def test_a_labelme_file_of_an_image_of_another_name_is_told(examples: Path, tmp_path: Path) -> None:
    content = json.loads((examples / "labelme" / "a.json").read_text())
    for named, is_told in (("C:\\x\\A.jpg", False), ("../a.png", False), ("other.png", True)):
        (tmp_path / "a.json").write_text(json.dumps({**content, "imagePath": named}))
        marks = f"{examples}/photos/a.png:{tmp_path}/a.json"
        out = ("-o", tmp_path / "out.safetensors", "--overwrite")
        shown = run("learn", *TINY, "--name", "icon", "--label", "thing", "--support", marks, *out)
        assert shown.returncode == 0, shown.stderr
        assert ("a.json: files whose imagePath has another name than their image (1)." in shown.stderr) == is_told


def test_an_empty_mask_is_not_said_to_be_missing(examples: Path, tmp_path: Path) -> None:
    support, query = f"{examples}/photos/a.png:{examples}/masks/a.png", examples / "photos" / "a.png"
    shutil.copy(query, tmp_path / "q.png")
    options = ("--name", "icon", "--support", support, "--threshold", 1, "--out", "out")
    shown = run("segment", *TINY, *options, "q.png", cwd=tmp_path)
    told = r"out/q_mask\.png  empty, the class was not found \(presence [01]\.\d\d\d\)"
    assert re.search(told, shown.stderr + shown.stdout)
    assert not np.array(Image.open(tmp_path / "out" / "q_mask.png")).any()


def test_a_folder_of_mixed_files(examples: Path, tmp_path: Path) -> None:
    """A clash and a broken file concern themselves only; everything that is left out is said."""
    folder = tmp_path / "mixed"
    (folder / "deep").mkdir(parents=True)
    picture = Image.open(examples / "photos" / "a.png").convert("RGB")
    for name in ("a.jpg", "a.png", "b.gif", "deep/c.avif"):
        picture.save(folder / name)
    picture.save(folder / "pages.tif", save_all=True, append_images=[picture])
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.md").write_text("notes")
    support = ("--name", "icon", "--support", f"{examples}/photos:{examples}/masks")
    for command in ("segment", "label"):
        out = tmp_path / command
        shown = run(command, *TINY, *support, folder, "--out", out)
        assert shown.returncode == 1, shown.stderr
        masks = {path.name.replace("_mask", "") for path in out.rglob("*.png") if "overlay" not in path.name}
        assert masks == {"a.png", "b.png", "c.png", "pages.png"}
        assert "no images by their endings, and are left out: notes.md" in shown.stderr
        assert shown.stderr.count("pages.tif has several pages; the first is read") == 1
        assert "a.png and a.jpg have one stem" in shown.stdout
        assert "broken.png is not an image" in shown.stdout


def test_an_image_of_a_folder_with_a_name_too_long_for_its_results(examples: Path, tmp_path: Path) -> None:
    picture = Image.open(examples / "photos" / "a.png").convert("RGB")
    (tmp_path / "in").mkdir()
    for name in ("a", "n" * 243, "n" * 244):
        picture.save(tmp_path / "in" / f"{name}.png")
    support = ("--name", "icon", "--support", f"{examples}/photos:{examples}/masks")
    shown = run("segment", *TINY, *support, tmp_path / "in", "--out", tmp_path / "out")
    assert shown.returncode == 1, shown.stderr
    assert f"{'n' * 244}.png has a name too long for its results; 243 bytes without its ending" in shown.stdout
    assert {path.name for path in (tmp_path / "out").glob("*_mask.png")} == {"a_mask.png", f"{'n' * 243}_mask.png"}


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        ("label", (), "There is no class to label; give --classes FILE, or --support IMAGE:MARKS with --name"),
        ("label", ("--support", "{photo}"), "--support needs --name"),
        ("segment", ("--support", "{photo}", "--index", "1", "--colour", "red"), "--index and --colour both choose"),
        (
            "segment",
            ("--support", "{photo}", "--colour", "reddish"),
            "takes a colour such as #ff0000 or red, not reddish",
        ),
        ("segment", ("--support", "{photo}", "--index", "-1"), "from 0 on, not -1"),
        ("segment", ("--support", "{photo}", "--index", "7"), "no pixel of the number 7; its numbers and their shares"),
        ("segment", ("--name", "x", "none/*.png"), "There is no file none/*.png"),
    ],
)
def test_wrong_options_are_refused(
    command: str, options: tuple[str, ...], says: str, examples: Path, tmp_path: Path
) -> None:
    photo = f"{examples}/photos/a.png:{examples}/masks/a.png"
    given = [option.format(photo=photo) for option in options]
    shown = run(command, *TINY, *given, examples / "photos", "--out", tmp_path / "out")
    assert shown.returncode == 2, shown.stdout
    assert says in shown.stderr
    assert not (tmp_path / "out").exists()
