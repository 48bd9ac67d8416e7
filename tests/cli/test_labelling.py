"""learn, classes and label as a user runs them: processes, files, exit codes, and what happens when they are killed."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from cdpnet.bulk.journal import FILE
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from tests.cli.test_main import run

MAIN = [sys.executable, "-c", "import sys; from cdpnet.cli import main; sys.exit(main())"]
COUNT = 40


def saved(image: torch.Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/ of two sizes, some deeper, and two class files that the command line made."""
    folder = tmp_path_factory.mktemp("job")
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(COUNT)).batch
    for i, image in enumerate(batch.query_images):
        saved(image[:, : 96 if i % 3 else 128], folder / "images" / ("deep" if i % 5 == 0 else "") / f"{i:03d}.png")
    for i in (0, 1):
        saved(batch.support_images[i, 0], folder / f"support{i}.png")
        Image.fromarray(batch.support_masks[i, 0].numpy() * 255).save(folder / f"mask{i}.png")
        support = f"{folder / f'support{i}.png'}:{folder / f'mask{i}.png'}"
        out = folder / f"class{i}.safetensors"
        shown = run("learn", "--name", batch.class_names[i], "--support", support, "-o", out)
        assert shown.returncode == 0, shown.stderr
        assert f"{batch.class_names[i]!r}, learned from 1 image" in shown.stdout
    return folder


def arguments(job: Path, out: Path, *more: object) -> list[str]:
    classes = [job / "class0.safetensors", job / "class1.safetensors"]
    return [str(a) for a in ("label", job / "images", "--classes", *classes, "--out", out, *more)]


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def labels(job: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of a job that nothing stopped."""
    out = tmp_path_factory.mktemp("labels") / "out"
    shown = run(*arguments(job, out))
    assert shown.returncode == 0, shown.stderr
    assert "images/s" in shown.stderr
    assert f"{COUNT} images are labelled; see {out / 'index.html'}" in shown.stdout
    return out


def test_every_image_has_the_mask_of_the_segmenter(job: Path, labels: Path) -> None:
    from cdpnet.inference.class_files import load_classes

    segmenter = Segmenter(load_network("tiny"))
    classes = load_classes([job / "class0.safetensors", job / "class1.safetensors"], *segmenter.model)
    assert (labels / "classes.txt").read_text().split("\n")[:2] == [c.name for c in classes]
    images = sorted((job / "images").rglob("*.png"))
    assert len(images) == COUNT
    empty = 0
    for image in images:
        path = labels / "masks" / image.relative_to(job / "images")
        found = np.array(Image.open(path))
        assert (found == segmenter.segment(image, classes).mask).mean() > 0.999
        empty += not found.any()
    assert 0 < empty < COUNT  # of most images both classes are absent, and not of all


def test_the_contact_sheet_shows_the_doubtful_first(labels: Path) -> None:
    page = (labels / "index.html").read_text()
    uncertainties = [
        float(part.partition(">")[0])
        for part in page.split(" value=")[1:]
        if part[0] in "01"
        for part in [part.split()[0]]
    ]
    assert len(uncertainties) == COUNT
    assert uncertainties == sorted(uncertainties, reverse=True)
    for source in (part.partition('"')[0] for part in page.split('src="')[1:]):
        assert (labels / source).is_file()


def test_the_same_command_again_has_nothing_to_do(job: Path, labels: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (labels / "masks").rglob("*.png")}
    assert run(*arguments(job, labels)).returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in (labels / "masks").rglob("*.png")}
    other = run(*arguments(job, labels, "--min_presence", 0.9))
    assert other.returncode == 2
    assert "presence was None and is 0.9" in other.stderr
    assert "--overwrite" in other.stderr


def killed(command: list[str], when: Callable[[], bool]) -> None:
    """Run a command and kill it, and all that it started, at a moment of its work."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not when() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("name", ["png", "coco"])
def test_killed_three_times_it_ends_as_if_never_stopped(name: str, job: Path, tmp_path: Path) -> None:
    whole, broken_off = tmp_path / "whole", tmp_path / "stopped"
    assert run(*arguments(job, whole, "--format", name)).returncode == 0
    command = MAIN + arguments(job, broken_off, "--format", name)
    for some in (1, 17, 33):  # in the middle of the first, the second and the third window
        killed(command, lambda some=some: len(list((broken_off / "sheet").rglob("*.jpg"))) >= some)  # type: ignore[misc]
        assert not (broken_off / "index.html").exists()
    (broken_off / ".index.0123abcd.html").write_text("half")  # as a process leaves it that is killed while it writes
    assert run(*arguments(job, broken_off, "--format", name)).returncode == 0
    assert contents(broken_off) == contents(whole)


def test_ray_gives_the_same_files_and_a_killed_worker_loses_nothing(job: Path, labels: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "out"
    process = subprocess.Popen(
        MAIN + arguments(job, out, "--engine", "ray", "--workers", 2), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    end, stopped = time.monotonic() + 240, 0
    while process.poll() is None and time.monotonic() < end:
        if not stopped and (out / "sheet").is_dir():
            for child in psutil.Process(process.pid).children(recursive=True):
                if "MapWorker" in " ".join(child.cmdline()) and not stopped:
                    child.kill()
                    stopped += 1
        time.sleep(0.01)
    output = process.communicate()[0].decode()
    assert process.returncode == 0, output
    assert stopped == 1
    assert contents(out) == contents(labels)


def test_broken_images_are_listed_and_tried_again(job: Path, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(job / "images" / "deep", images)
    (images / "text.png").write_text("not an image")
    command = [str(a) for a in ("label", images, "--classes", job / "class0.safetensors", "--out", out)]
    shown = run(*command, "--format", "labelme")
    assert shown.returncode == 1
    assert "not labelled: text.png:" in shown.stdout
    assert "is not an image that can be read" in shown.stdout
    assert "Traceback" not in shown.stderr
    assert "text.png" in (out / "index.html").read_text()
    assert len(list(out.glob("*.json"))) == len(list(images.iterdir())) - 1
    shutil.copy(next((job / "images" / "deep").iterdir()), images / "text.png")
    mended = run(*command, "--format", "labelme")
    assert mended.returncode == 0, mended.stderr
    assert (out / "text.json").is_file()


def test_a_full_disk_loses_nothing(job: Path, tmp_path: Path, labels: Path) -> None:
    """A limit on the size of files stands in for a disk that is full: writing fails in the middle of a file."""
    out = tmp_path / "out"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))

    command = MAIN + arguments(job, out)
    shown = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert shown.returncode == 2
    assert "cannot be written to" in shown.stderr
    assert "resumes the job" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not [path for path in out.rglob("*") if path.is_file() and path.name.startswith(".") and path.name != FILE]
    assert run(*arguments(job, out)).returncode == 0
    assert contents(out) == contents(labels)


def test_bad_folders_and_files_are_one_sentence(job: Path, labels: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    twins = tmp_path / "twins"
    twins.mkdir()
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (40, 40)).save(twins / name)
    shutil.copytree(labels / "masks", tmp_path / "foreign" / "masks")
    (tmp_path / "file").write_text("mine")
    own = job / "class0.safetensors"
    for what, options, said in (
        (tmp_path / "empty", (), "holds no image"),
        (tmp_path / "none", (), "There is no folder"),
        (twins, (), "have one stem, so one mask"),
        (job / "images", ("--format", "voc"), "takes one of png, coco, labelme, yolo, labelstudio, not voc"),
        (job / "images", ("--engine", "spark"), "takes one of plain, ray, not spark"),
        (job / "images", ("--min_presence", "2"), "a share from 0 to 1"),
        (job / "images", ("--threshold", "-0.1"), "--threshold is a share from 0 to 1, not -0.1"),
        (job / "images", ("--tiles-above", "0"), "--tiles-above must be at least 1"),
        (job / "images", ("--method", "ssp"), "learned by another model"),
        (job / "images", ("--out", tmp_path / "file"), "is a file; give --out a folder"),
        (job / "images", ("--out", tmp_path / "foreign"), "exists already; pass --overwrite"),
        (job / "images", ("--out", "/proc/cdpnet"), "cannot be written to"),
        (job / "images", ("--classes", tmp_path / "file"), "is not a class file"),
        (job / "images", ("--classes", own, own), "both hold the class"),
    ):
        shown = run("label", what, "--classes", own, "--out", tmp_path / "out", *options)
        assert shown.returncode == 2, (what, options, shown.stdout, shown.stderr)
        assert said in shown.stderr, (what, options, shown.stderr)
        assert "Traceback" not in shown.stderr
        assert not (tmp_path / "out").exists(), (what, options)
    assert (tmp_path / "file").read_text() == "mine"


def test_labels_beside_their_images(job: Path, tmp_path: Path) -> None:
    """LabelMe looks for them there; the next run must not take our small images for the user's."""
    shutil.copytree(job / "images" / "deep", tmp_path / "p")
    command = (
        "label",
        tmp_path / "p",
        "--classes",
        job / "class0.safetensors",
        "--format",
        "labelme",
        "--out",
        tmp_path / "p",
    )
    first, again = run(*command), run(*command)
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert first.stdout == again.stdout
    assert json.loads((tmp_path / "p" / "000.json").read_text())["imagePath"] == "000.png"


def test_overwrite_begins_anew(job: Path, tmp_path: Path) -> None:
    command = ("label", job / "images" / "deep", "--classes", job / "class0.safetensors", "--out", tmp_path / "out")
    assert run(*command, "--min_presence", 1).returncode == 0
    none = contents(tmp_path / "out")
    higher = run(*command, "--min_presence", 1, "--threshold", 0.9)
    assert higher.returncode == 2
    assert "threshold was None and is 0.9" in higher.stderr
    assert run(*command, "--min_presence", 0, "--overwrite").returncode == 0
    everything = contents(tmp_path / "out")
    assert none.keys() == everything.keys()
    assert none["masks/000.png"] != everything["masks/000.png"]


def test_large_images_are_seen_in_tiles(job: Path, tmp_path: Path) -> None:
    """Four scenes side by side, and the same in one image: in tiles, masks are found where each scene has one."""
    deep = sorted((job / "images" / "deep").glob("*.png"))[:4]
    whole = np.concatenate([np.array(Image.open(path).resize((256, 256))) for path in deep], axis=1)
    (tmp_path / "p").mkdir()
    Image.fromarray(whole).save(tmp_path / "p" / "wide.png")
    command = ("label", tmp_path / "p", "--classes", job / "class0.safetensors")
    for tiles, out in ((300, "tiled"), (5000, "whole")):
        shown = run(*command, "--out", tmp_path / out, "--tiles-above", tiles)
        assert shown.returncode == 0, shown.stderr
    tiled, at_once = (np.array(Image.open(tmp_path / out / "masks" / "wide.png")) for out in ("tiled", "whole"))
    assert tiled.shape == at_once.shape == (256, 1024)
    assert not np.array_equal(tiled, at_once)
    segmenter = Segmenter(load_network("tiny"), tiles_above=300)
    assert max(segmenter.preprocessing.load(whole).image.shape) == round(192 * 1024 / 300)


def test_classes_are_listed(job: Path, tmp_path: Path) -> None:
    shown = run("classes", job / "class0.safetensors", job / "class1.safetensors")
    assert shown.returncode == 0, shown.stderr
    assert "tiny cdpn" in shown.stdout
    assert "name, images" in shown.stdout
    assert run("classes", tmp_path / "none.safetensors").returncode == 2


def test_learn_says_what_it_cannot_do(job: Path, tmp_path: Path) -> None:
    support = f"{job / 'support0.png'}:{job / 'mask0.png'}"
    out = tmp_path / "c.safetensors"
    for options, said in (
        (("--name", " "), "--name is empty"),
        (("--name", "x", "--adapt", -1), "must not be negative"),
        (("--name", "x", "--adapt", 3), "needs two or more"),
        (("--name", "x", "--method", "ssp", "--adapt", 3), "no fusion"),
        (("--name", "x", "-o", tmp_path / "c.bin"), "does not end in .safetensors"),
        (("--name", "x", "-o", job / "class0.safetensors"), "exists already"),
        (("--name", "x", "--support", "image.png"), "IMAGE:MASK"),
        (("--name", "x", "--support", f"{job / 'support0.png'}:{tmp_path / 'none.json'}"), "There is no file"),
    ):
        shown = run("learn", "--support", support, "-o", out, *options)
        assert shown.returncode == 2, (options, shown.stdout)
        assert said in shown.stderr, (options, shown.stderr)
        assert "Traceback" not in shown.stderr
        assert not out.exists()
    unknown = run("learn", "--name", "zzyzx", "--support", support, support, "--adapt", 2, "-o", out)
    assert unknown.returncode == 0, unknown.stderr
    assert "does not recognise the name 'zzyzx'" in unknown.stdout
    assert "adaptation" in unknown.stdout
    assert "name, not recognised" in run("classes", out).stdout


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(job: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    shown = run(*arguments(job, locked / "out"))
    assert shown.returncode == 2
    assert "cannot be written" in shown.stderr
