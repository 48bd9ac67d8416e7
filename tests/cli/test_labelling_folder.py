"""label: the files of a job, the contact sheet, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.inference.class_files import load_classes
from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.palette import colour_of
from cdpnet.network.network import PrototypeNetwork
from tests.cli.conftest import COUNT, class_files
from tests.cli.running import run
from tests.cli.test_labelling_stopped import contents


def test_every_image_has_the_mask_of_the_segmenter(label_job: Path, job_labels: Path, tiny: PrototypeNetwork) -> None:
    segmenter = Segmenter(tiny)
    classes = load_classes(class_files(label_job), *segmenter.model)
    assert (job_labels / "classes.txt").read_text().split("\n")[:2] == [c.name for c in classes]
    images = sorted((label_job / "images").rglob("*.png"))
    assert len(images) == COUNT
    empty = 0
    for image in images:
        path = job_labels / "masks" / image.relative_to(label_job / "images")
        found = np.array(Image.open(path))
        assert (found == segmenter.segment(image, classes).mask).mean() > 0.999
        empty += not found.any()
    assert 0 < empty < COUNT  # of most images both classes are absent, and not of all


def test_the_contact_sheet_shows_the_most_uncertain_first(job_labels: Path) -> None:
    page = (job_labels / "index.html").read_text()
    uncertainties = [
        float(part.partition(">")[0])
        for part in page.split(" value=")[1:]
        if part[0] in "01"
        for part in [part.split()[0]]
    ]
    assert len(uncertainties) == COUNT
    assert uncertainties == sorted(uncertainties, reverse=True)
    for source in (part.partition('"')[0] for part in page.split('src="')[1:]):
        assert (job_labels / source).is_file()


def test_the_example_of_a_class_has_its_colour(label_job: Path, job_labels: Path, tiny: PrototypeNetwork) -> None:
    page = (job_labels / "index.html").read_text()
    examples = [base64.b64decode(part.partition("'")[0]) for part in page.split("data:image/png;base64,")[1:]]
    for i, learned in enumerate(load_classes(class_files(label_job), *Segmenter(tiny).model)):
        shown = np.array(Image.open(io.BytesIO(examples[i]))).astype(float)
        marked = learned.thumbnail[..., 3] > 0
        assert marked.any()
        before = learned.thumbnail[marked][:, :3]
        mixed = [(1 - share) * before + share * np.array(colour_of(i + 1)) for share in (0.55, 0.9325)]
        inside, outline = (abs(shown[marked] - one).max(axis=1) < 1.5 for one in mixed)
        assert (inside | outline).all()
        assert inside.any()
        assert outline.any()


def test_the_same_command_again_has_nothing_to_do(label_job: Path, job_labels: Path) -> None:
    arguments = (
        "label",
        "--model",
        "tiny",
        label_job / "images",
        "--classes",
        *class_files(label_job),
        "--out",
        job_labels,
    )
    before = {path: path.stat().st_mtime_ns for path in (job_labels / "masks").rglob("*.png")}
    assert run(*arguments).returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in (job_labels / "masks").rglob("*.png")}
    other = run(*arguments, "--min_presence", 0.9)
    assert other.returncode == 2
    assert "presence was the default and is 0.9" in other.stderr
    assert "--overwrite" in other.stderr
    refined = run(*arguments, "--refine", "on")
    assert refined.returncode == 2
    assert "refine was off and is on" in refined.stderr


def test_broken_images_are_listed_and_tried_again(label_job: Path, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(label_job / "images" / "deep", images)
    (images / "text.png").write_text("not an image")
    command = (
        "label",
        "--model",
        "tiny",
        images,
        "--classes",
        label_job / "class0.safetensors",
        "--out",
        out,
        "--format",
        "labelme",
    )
    shown = run(*command)
    assert shown.returncode == 1
    assert "text.png: " in shown.stdout
    assert "is not an image that can be read" in shown.stdout
    total = len(list(images.iterdir()))
    assert f"1 of {total} images is not labelled; the reasons are in {out / 'failed.txt'}\n" in shown.stdout
    assert "Traceback" not in shown.stderr
    assert "text.png" in (out / "index.html").read_text()
    assert len(list(out.glob("*.json"))) == len(list(images.iterdir())) - 1
    shutil.copy(next((label_job / "images" / "deep").iterdir()), images / "text.png")
    mended = run(*command)
    assert mended.returncode == 0, mended.stderr
    assert (out / "text.json").is_file()


@pytest.fixture(scope="module")
def bad(job_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders and a file that a command must refuse."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty").mkdir()
    (folder / "twins").mkdir()
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (40, 40)).save(folder / "twins" / name)
    shutil.copytree(job_labels / "masks", folder / "foreign" / "masks")
    (folder / "file").write_text("mine")
    (folder / "link").symlink_to("none")
    return folder


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("{bad}/empty",), "{bad}/empty holds no image"),
        (("{bad}/none",), "There is no folder"),
        (("{bad}/twins", "--strict"), "have one stem"),
        (
            ("{job}/images", "--format", "kitti"),
            "takes one of png, coco, labelme, yolo, labelstudio, cvat, voc, not kitti",
        ),
        (("{job}/images", "--engine", "spark"), "takes one of plain, ray, not spark"),
        (("{job}/images", "--min_presence", "2"), "2.0"),
        (("{job}/images", "--threshold", "-0.1"), "-0.1"),
        (("{job}/images", "--tiles-above", "0"), "must be at least 1"),
        (("{job}/images", "--method", "ssp"), "learned by another model"),
        (("{job}/images", "--out", "{bad}/file"), "{bad}/file is a file"),
        (("{job}/images", "--out", "{bad}/file/out"), "{bad}/file is a file; give --out a folder."),
        (("{job}/images", "--out", "{bad}/link"), "{bad}/link is a link that leads to nothing; give --out a folder."),
        (("{job}/images", "--out", "{bad}/foreign"), "exists already; pass --overwrite"),
        (("{job}/images", "--out", "/proc/cdpnet"), "/proc/cdpnet cannot be written to"),
        (("{job}/images", "--classes", "{bad}/file"), "{bad}/file is not a class file"),
        (("{job}/images", "--classes", "{job}/class0.safetensors", "{job}/class0.safetensors"), "both hold the class"),
    ],
)
def test_bad_folders_and_files_are_one_sentence(
    arguments: tuple[str, ...], expected: str, label_job: Path, bad: Path, tmp_path: Path
) -> None:
    words = {"job": label_job, "bad": bad}
    images, *options = [argument.format(**words) for argument in arguments]
    own, out = label_job / "class0.safetensors", tmp_path / "out"
    shown = run("label", "--model", "tiny", images, "--classes", own, "--out", out, *options)
    assert shown.returncode == 2, (shown.stdout, shown.stderr)
    assert expected.format(**words) in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not out.exists()
    assert (bad / "file").read_text() == "mine"


def test_labels_beside_their_images(label_job: Path, tmp_path: Path) -> None:
    """LabelMe looks for them there; the next run must not take our small images for the user's."""
    images = tmp_path / "p"
    shutil.copytree(label_job / "images" / "deep", images)
    own = label_job / "class0.safetensors"
    command = ("label", "--model", "tiny", images, "--classes", own, "--format", "labelme", "--out", images)
    first, again = run(*command), run(*command)
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert first.stdout == again.stdout
    assert json.loads((images / "000.json").read_text())["imagePath"] == "000.png"


def test_overwrite_begins_anew(label_job: Path, tmp_path: Path) -> None:
    own, out = label_job / "class0.safetensors", tmp_path / "out"
    command = ("label", "--model", "tiny", label_job / "images" / "deep", "--classes", own, "--out", out)
    assert run(*command, "--min_presence", 1).returncode == 0
    none = contents(out)
    higher = run(*command, "--min_presence", 1, "--threshold", 0.9)
    assert higher.returncode == 2
    assert "threshold was the default and is 0.9" in higher.stderr
    assert run(*command, "--min_presence", 0, "--overwrite").returncode == 0
    everything = contents(out)
    assert none.keys() == everything.keys()
    assert none["masks/000.png"] != everything["masks/000.png"]


def test_large_images_are_tiled(label_job: Path, tmp_path: Path, tiny: PrototypeNetwork) -> None:
    """Four scenes side by side, and the same in one image: in tiles, masks are found where each scene has one."""
    deep = sorted((label_job / "images" / "deep").glob("*.png"))[:4]
    whole = np.concatenate([np.array(Image.open(path).resize((256, 256))) for path in deep], axis=1)
    (tmp_path / "p").mkdir()
    Image.fromarray(whole).save(tmp_path / "p" / "wide.png")
    command = ("label", "--model", "tiny", tmp_path / "p", "--classes", label_job / "class0.safetensors")
    for tiles, out in ((300, "tiled"), (5000, "whole")):
        shown = run(*command, "--out", tmp_path / out, "--tiles-above", tiles)
        assert shown.returncode == 0, shown.stderr
    tiled, at_once = (np.array(Image.open(tmp_path / out / "masks" / "wide.png")) for out in ("tiled", "whole"))
    assert tiled.shape == at_once.shape == (256, 1024)
    assert not np.array_equal(tiled, at_once)
    segmenter = Segmenter(tiny, tiles_above=300)
    assert max(segmenter.preprocessing.load(whole).image.shape) == round(192 * 1024 / 300)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(label_job: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    shown = run(
        "label", "--model", "tiny", label_job / "images", "--classes", *class_files(label_job), "--out", locked / "out"
    )
    assert shown.returncode == 2
    assert "cannot be written" in shown.stderr


def test_a_job_is_compared_with_the_truth(label_job: Path, job_labels: Path, tmp_path: Path) -> None:
    """The truth are the labels of an equal job: every pixel agrees."""
    options = ("--classes", *class_files(label_job), "--format", "yolo", "--instances", "--truth", job_labels)
    shown = run("label", "--model", "tiny", label_job / "images", "--out", tmp_path / "out", *options)
    assert shown.returncode == 0, shown.stderr
    assert f"mean IoU 100.0; see {tmp_path / 'out' / 'truth.html'}" in shown.stdout
    assert (tmp_path / "out" / "data.yaml").is_file()
    none = run("label", "--model", "tiny", label_job / "images", "--out", tmp_path, *options[:3], "--truth", "none")
    assert none.returncode == 2
    assert "There is nothing at none" in none.stderr
