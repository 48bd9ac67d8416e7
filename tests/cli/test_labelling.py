"""segment, learn and classes: their files, their exit codes, and what they refuse. `label` has a file of its own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.bulk.segment_files import find_inputs, plan_outputs
from cdpnet.inference.class_files import load_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.network.network import PrototypeNetwork
from tests.cli.running import run


def support(folder: Path) -> str:
    return f"{folder / 'support.png'}:{folder / 'mask.png'}"


def test_segment_writes_masks_and_overlays(icon_files: Path, tmp_path: Path, tiny: PrototypeNetwork) -> None:
    out = tmp_path / "out"
    name = (icon_files / "name.txt").read_text()
    arguments = ("segment", "--model", "tiny", "--name", name, "--support", support(icon_files), "--out", out)
    shown = run(*arguments, icon_files / "query.png", icon_files / "wide.jpg")
    assert shown.returncode == 0, shown.stderr
    assert sorted(p.name for p in out.iterdir()) == [
        "query_mask.png",
        "query_overlay.png",
        "wide_mask.png",
        "wide_overlay.png",
    ]
    with Image.open(out / "wide_mask.png") as mask, Image.open(out / "wide_overlay.png") as overlay:
        assert mask.size == overlay.size == (200, 150)
        assert mask.mode == "P"
    segmenter = Segmenter(tiny)
    learned = segmenter.learn(name, [icon_files / "support.png"], [icon_files / "mask.png"])
    expected = segmenter.segment(icon_files / "query.png", learned).mask
    assert np.array_equal(np.array(Image.open(out / "query_mask.png")), expected)

    again = run(*arguments, icon_files / "query.png")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert run(*arguments, "--overwrite", icon_files / "query.png").returncode == 0


def test_a_checkpoint_folder_and_two_supports(icon_files: Path, tmp_path: Path) -> None:
    load_network("tiny", "ssp").save(tmp_path / "model")
    shown = run(
        "segment", "--support", support(icon_files), "--support", support(icon_files), "--model", tmp_path / "model",
        "--out", tmp_path / "out", icon_files / "query.png",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "out" / "query_mask.png").is_file()


@pytest.fixture(scope="module")
def bad(icon_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that a command must refuse."""
    folder, size = tmp_path_factory.mktemp("bad"), (128, 128)
    Image.new("L", (64, 128), 255).save(folder / "other_size.png")
    Image.new("L", size).save(folder / "empty.png")
    Image.new("L", size, 255).save(folder / "full.png")
    (folder / "text.png").write_text("not an image")
    (folder / "cut.png").write_bytes((icon_files / "query.png").read_bytes()[:400])
    Image.new("1", (12_000, 9_000)).save(folder / "huge.png")
    speck = Image.new("L", size)
    speck.putpixel((3, 3), 255)
    speck.save(folder / "speck.png")
    for name in ("own", "own_mask"):
        (folder / f"{name}.png").write_bytes((icon_files / "query.png").read_bytes())
    (folder / "twin").mkdir()
    (folder / "twin" / "query.jpg").write_bytes((icon_files / "wide.jpg").read_bytes())
    return folder


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--support {icons}/support.png:{bad}/other_size.png {query}", "64 x 128 pixels"),
        ("--support {icons}/support.png:{bad}/empty.png {query}", "is empty"),
        ("--support {icons}/support.png:{bad}/full.png {query}", "covers the whole image"),
        ("--support {icons}/support.png:{bad}/speck.png {query}", "too small"),
        ("--support {bad}/none.png:{icons}/mask.png {query}", "{bad}/none.png"),
        ("--support {good} {query} {bad}/none.png", "{bad}/none.png"),
        ("--support {good} {query} {bad}/text.png", "{bad}/text.png is not an image"),
        ("--support {good} {query} {bad}/cut.png", "{bad}/cut.png"),
        ("--support {good} {query} {bad}/huge.png", "12000 x 9000 pixels"),
        ("--support {good} {query} {bad}/twin/query.jpg", "one stem"),
        ("--support {good} --out {bad} --overwrite {bad}/own.png {bad}/own_mask.png", "{bad}/own_mask.png is read"),
        ("--support {icons}/support.png {query}", "IMAGE:MARKS"),
        ("--support {good} --model resnet5 {query}", "'resnet5'"),
        ("--support {good} --method sspp {query}", "'sspp'"),
        ("--support {good} --model clip-rn50 --method cdpn --image-weights {bad}/text.png {query}", "need training"),
        ("--support {good} --model tiny --image-weights {bad}/text.png {query}", "The method cdpn has parts that need"),
        ("--support {good} --model clip-rn50 --image-weights {bad}/none.pt {query}", "{bad}/none.pt"),
        ("--support {good} --model resnet50 --image-weights {bad}/text.png {query}", "{bad}/text.png cannot be read"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    arguments: str, expected: str, icon_files: Path, bad: Path, tmp_path: Path
) -> None:
    words = {
        "icons": str(icon_files),
        "bad": str(bad),
        "query": f"{icon_files}/query.png",
        "good": f"{icon_files}/support.png:{icon_files}/mask.png",
    }
    before = {path: path.read_bytes() for path in bad.rglob("*") if path.is_file()}
    given = [word.format(**words) for word in arguments.split()]
    shown = run("segment", "--model", "tiny", "--name", "x", "--out", tmp_path / "out", *given)
    assert shown.returncode == 2, (shown.stdout, shown.stderr)
    assert expected.format(**words) in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1
    assert "Traceback" not in shown.stderr
    assert not (tmp_path / "out").exists()
    assert before == {path: path.read_bytes() for path in bad.rglob("*") if path.is_file()}


def test_an_image_that_is_named_twice_is_segmented_once(icon_files: Path, tmp_path: Path) -> None:
    query = icon_files / "query.png"
    plan = plan_outputs(find_inputs([query, icon_files / "quer?.png", query]), tmp_path, overwrite=False)
    assert [output.image for output in plan.outputs] == [query]
    assert not plan.left_out


def test_a_missing_download_is_one_sentence(icon_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    shown = run(
        "segment", "--support", support(icon_files), "--model", "resnet50", "--out", tmp_path / "out",
        icon_files / "query.png",
    )  # fmt: skip
    assert shown.returncode == 2
    assert len(shown.stderr.strip().splitlines()) == 1
    assert "resnet50.tv_in1k/model.safetensors" in shown.stderr
    assert "--image-weights FILE" in shown.stderr
    assert "tiny" in shown.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(icon_files: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    shown = run(
        "segment",
        "--model",
        "tiny",
        "--support",
        support(icon_files),
        "--out",
        locked / "out",
        icon_files / "query.png",
    )
    assert shown.returncode == 2
    assert "cannot be written" in shown.stderr


def test_an_out_that_is_a_file(icon_files: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        shown = run(
            "segment", "--model", "tiny", "--support", support(icon_files), "--out", out, icon_files / "query.png"
        )
        assert shown.returncode == 2, shown.stderr
        assert "Traceback" not in shown.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_classes_are_listed(label_job: Path, tmp_path: Path) -> None:
    shown = run("classes", label_job / "class0.safetensors", label_job / "class1.safetensors")
    assert shown.returncode == 0, shown.stderr
    assert "tiny cdpn" in shown.stdout
    assert "name, images" in shown.stdout
    fingerprint, name = load_class(label_job / "class0.safetensors").model
    narrow = run("classes", label_job / "class0.safetensors", COLUMNS="80").stdout
    assert f" {name}, " in narrow
    assert f" {fingerprint} " in narrow
    assert run("classes", tmp_path / "none.safetensors").returncode == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--name", " "), "--name"),
        (("--name", "x", "--adapt", -1), "-1"),
        (("--name", "x", "--adapt", 3), "needs two or more"),
        (("--name", "x", "--method", "ssp", "--adapt", 3), "no fusion"),
        (("--name", "x", "-o", "{tmp}/c.bin"), "does not end in .safetensors"),
        (("--name", "x", "-o", "{job}/class0.safetensors"), "exists already"),
        (
            (
                "--name",
                "x",
                "--overwrite",
                "--image-weights",
                "{job}/class0.safetensors",
                "-o",
                "{job}/class0.safetensors",
            ),
            "{job}/class0.safetensors is read by this very command",
        ),
        (("--name", "x", "-o", "{job}/mask0.png/c.safetensors"), "{job}/mask0.png is a file; give the file to write"),
        (("--name", "x", "--without", "{job}/none.png"), "There is no file {job}/none.png"),
        (("--name", "x", "--without", "{job}"), "{job} is a folder; give the path of an image"),
        (("--name", "x", "--without", "{job}/support0.png"), "is also named after --without"),
        (("--name", "x", "--support", "image.png"), "IMAGE:MARKS"),
        (("--name", "x", "--support", "{job}/support0.png:{tmp}/none.json"), "{tmp}/none.json"),
    ],
)
def test_learn_refuses(options: tuple[object, ...], expected: str, label_job: Path, tmp_path: Path) -> None:
    words = {"job": label_job, "tmp": tmp_path}
    example, out = f"{label_job / 'support0.png'}:{label_job / 'mask0.png'}", tmp_path / "c.safetensors"
    given = [str(option).format(**words) for option in options]
    shown = run("learn", "--model", "tiny", "--support", example, "-o", out, *given)
    assert shown.returncode == 2, shown.stdout
    assert expected.format(**words) in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not list(tmp_path.iterdir())


def test_learn_says_that_a_name_is_not_recognised(label_job: Path, tmp_path: Path) -> None:
    examples, out = [f"{label_job}/support{i}.png:{label_job}/mask{i}.png" for i in (0, 1)], tmp_path / "c.safetensors"
    options = ("--model", "tiny", "--name", " zzyzx ", "--support", *examples, "--adapt", 2)
    unknown = run("learn", *options, "-o", out)
    assert unknown.returncode == 0, unknown.stderr
    assert "does not recognise the name 'zzyzx'" in unknown.stdout
    assert "adaptation" in unknown.stdout
    assert "not recognised" in run("classes", out).stdout


def test_photo_does_not_recognise_a_name_of_no_language(label_job: Path, tmp_path: Path) -> None:
    example, out = f"{label_job}/support0.png:{label_job}/mask0.png", tmp_path / "c.safetensors"
    unknown = run("learn", "--model", "photo", "--name", "zzyzx", "--support", example, "-o", out)
    assert unknown.returncode == 0, unknown.stderr
    assert "does not recognise the name 'zzyzx'" in unknown.stdout


def test_segment_uses_photo_by_default_and_tiny_is_warned_of(icon_files: Path, tmp_path: Path) -> None:
    """The same example with both: photo says nothing, its refined and its plain masks differ."""
    masks = {}
    for refine in ("on", "off"):
        shown = run(
            "segment", "--support", support(icon_files), "--refine", refine, "--min_presence", 0,
            "--out", tmp_path / refine, icon_files / "query.png",
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert "tiny" not in shown.stderr
        masks[refine] = np.array(Image.open(tmp_path / refine / "query_mask.png"))
    assert masks["on"].any()
    assert not np.array_equal(masks["on"], masks["off"])
    warned = run(
        "segment", "--support", support(icon_files), "--model", "tiny", "--out", tmp_path / "t", icon_files / "wide.jpg"
    )
    assert warned.stderr.endswith("poor on photographs; for those use --model photo.\n")


def test_a_name_alone_gives_proposals(icon_files: Path, tmp_path: Path) -> None:
    name = (icon_files / "name.txt").read_text()
    model = ("--model", "tiny", "--name", name)
    shown = run("segment", *model, "--out", tmp_path / "masks", icon_files / "query.png")
    assert shown.returncode == 0, shown.stderr
    assert "proposals from the name alone" in shown.stdout
    learned = run("learn", *model, "-o", tmp_path / "c.safetensors")
    assert learned.returncode == 0, learned.stderr
    assert "name alone" in run("classes", tmp_path / "c.safetensors").stdout
    refused = run("segment", "--model", "tiny", "--out", tmp_path / "none", icon_files / "query.png")
    assert refused.returncode == 2
    assert "The name is empty" in refused.stderr
    assert "need examples" in run("learn", *model, "--adapt", 3, "-o", tmp_path / "d.safetensors").stderr


def test_a_name_that_is_too_long_is_said_in_one_sentence(icon_files: Path, tmp_path: Path) -> None:
    shown = run(
        "learn", "--model", "tiny", "--name", "long " * 60, "--support", support(icon_files), "-o",
        tmp_path / "c.safetensors",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    (line,) = [line for line in shown.stderr.splitlines() if "longer than the text tower reads" in line]
    assert line.startswith("cdpnet: The class name")
    assert "_cache" not in shown.stderr
