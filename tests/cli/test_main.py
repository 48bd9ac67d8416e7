"""The command line as a user runs it: a process, its files, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network


def run(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from cdpnet.cli import main; sys.exit(main())", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **variables},
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An episode as files: support.png, mask.png, query.png, and a photograph's worth of other images."""
    folder = tmp_path_factory.mktemp("images")
    drawn = IconEpisodes(0, 1, "test").draw(torch.arange(3))
    batch = drawn.batch
    for name, tensor in (("support", batch.support_images[0, 0]), ("query", batch.query_images[0])):
        Image.fromarray(tensor.permute(1, 2, 0).numpy()).save(folder / f"{name}.png")
    Image.fromarray(batch.query_images[1].permute(1, 2, 0).numpy()).resize((200, 150)).save(folder / "wide.jpg")
    Image.fromarray(batch.support_masks[0, 0].numpy() * 255).save(folder / "mask.png")
    (folder / "name.txt").write_text(batch.class_names[0])
    return folder


def test_help_and_version() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for command in ("segment", "demo", "train", "evaluate", "ablate", "pretrain"):
        assert command in shown.stdout
        detailed = run(command, "--help")
        assert detailed.returncode == 0
        assert "--out" in detailed.stdout or "--model" in detailed.stdout
    assert run("--version").stdout.startswith("cdpnet 0.")
    assert run().returncode == 2


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys, cdpnet, cdpnet.cli; cdpnet.cli.main(['--help']); "
        "print([m for m in sys.modules if m in ('torch', 'PIL', 'numpy')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().endswith("[]")


def test_segment_writes_masks_and_overlays(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    name = (folder / "name.txt").read_text()
    support = f"{folder / 'support.png'}:{folder / 'mask.png'}"
    arguments = ("segment", "--name", name, "--support", support, "--out", out)
    shown = run(*arguments, folder / "query.png", folder / "wide.jpg")
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
    segmenter = Segmenter(load_network("tiny"))
    learned = segmenter.learn(name, [folder / "support.png"], [folder / "mask.png"])
    expected = segmenter.segment(folder / "query.png", learned).mask
    assert np.array_equal(np.array(Image.open(out / "query_mask.png")), expected)

    again = run(*arguments, folder / "query.png")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert run(*arguments, "--overwrite", folder / "query.png").returncode == 0


def test_a_checkpoint_folder_and_two_supports(folder: Path, tmp_path: Path) -> None:
    load_network("tiny", "ssp").save(tmp_path / "model")
    support = f"{folder / 'support.png'}:{folder / 'mask.png'}"
    shown = run(
        "segment", "--support", support, "--support", support, "--model", tmp_path / "model",
        "--out", tmp_path / "out", folder / "query.png",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "out" / "query_mask.png").is_file()


def _bad_inputs(folder: Path, bad: Path) -> dict[str, tuple[list[object], str]]:
    """What a user might do wrong: arguments, and what the sentence must say."""
    bad.mkdir()
    image, mask, query = folder / "support.png", folder / "mask.png", folder / "query.png"
    size = (128, 128)
    Image.new("L", (64, 128), 255).save(bad / "other_size.png")
    Image.new("L", size).save(bad / "empty.png")
    Image.new("L", size, 255).save(bad / "full.png")
    (bad / "text.png").write_text("not an image")
    (bad / "cut.png").write_bytes(query.read_bytes()[:400])
    Image.new("1", (12_000, 9_000)).save(bad / "huge.png")
    speck = Image.new("L", size)
    speck.putpixel((3, 3), 255)
    speck.save(bad / "speck.png")
    for name in ("own", "own_mask"):
        (bad / f"{name}.png").write_bytes(query.read_bytes())
    (bad / "twin").mkdir()
    (bad / "twin" / "query.jpg").write_bytes((folder / "wide.jpg").read_bytes())
    good = ["--support", f"{image}:{mask}"]
    return {
        "mask of another size": (["--support", f"{image}:{bad / 'other_size.png'}", query], "64 x 128 pixels"),
        "empty mask": (["--support", f"{image}:{bad / 'empty.png'}", query], "is empty"),
        "full mask": (["--support", f"{image}:{bad / 'full.png'}", query], "covers the whole image"),
        "speck": (["--support", f"{image}:{bad / 'speck.png'}", query], "too small"),
        "missing support": (["--support", f"{bad / 'none.png'}:{mask}", query], "There is no file"),
        "missing image": ([*good, query, bad / "none.png"], "There is no file"),
        "text file": ([*good, query, bad / "text.png"], "is not an image"),
        "cut file": ([*good, query, bad / "cut.png"], "cannot be decoded"),
        "huge file": ([*good, query, bad / "huge.png"], "12000 x 9000 pixels"),
        "a folder": ([*good, bad], "is a folder"),
        "one stem": ([*good, query, bad / "twin" / "query.jpg"], "one stem"),
        "an input would be replaced": (
            ["--support", f"{image}:{mask}", "--out", str(bad), "--overwrite", bad / "own.png", bad / "own_mask.png"],
            "read by this very command",
        ),
        "no colon": (["--support", str(image), query], "IMAGE:MASK"),
        "no such model": ([*good, "--model", "resnet5", query], "no model 'resnet5'"),
        "no such method": ([*good, "--method", "sspp", query], "no method 'sspp'"),
        "untrained method": (
            [*good, "--model", "clip-rn50", "--method", "cdpn", "--image-weights", bad / "text.png", query],
            "need training",
        ),
        "missing weights": (
            [*good, "--model", "clip-rn50", "--image-weights", bad / "none.pt", query],
            "no weights file",
        ),
        "weights of another model": (
            [*good, "--model", "resnet50", "--image-weights", bad / "text.png", query],
            "cannot be read",
        ),
    }


def test_bad_input_is_one_sentence_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    for what, (arguments, expected) in _bad_inputs(folder, tmp_path / "bad").items():
        shown = run("segment", "--name", "x", "--out", tmp_path / "out", *arguments)
        assert shown.returncode == 2, (what, shown.stdout, shown.stderr)
        assert expected in shown.stderr, (what, shown.stderr)
        assert len(shown.stderr.strip().splitlines()) == 1, (what, shown.stderr)
        assert "Traceback" not in shown.stderr
        assert not (tmp_path / "out").exists(), what
    assert (tmp_path / "bad" / "own_mask.png").read_bytes() == (folder / "query.png").read_bytes()


def test_a_missing_download_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    shown = run(
        "segment", "--support", f"{folder / 'support.png'}:{folder / 'mask.png'}", "--model", "resnet50",
        "--out", tmp_path / "out", folder / "query.png", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "cache"),
    )  # fmt: skip
    assert shown.returncode == 2
    assert len(shown.stderr.strip().splitlines()) == 1
    assert "resnet50.tv_in1k/model.safetensors" in shown.stderr
    assert "--image-weights FILE" in shown.stderr
    assert "tiny" in shown.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(folder: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    support = f"{folder / 'support.png'}:{folder / 'mask.png'}"
    shown = run("segment", "--support", support, "--out", locked / "out", folder / "query.png")
    assert shown.returncode == 2
    assert "cannot be written" in shown.stderr


def test_an_out_that_is_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    support = f"{folder / 'support.png'}:{folder / 'mask.png'}"
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        shown = run("segment", "--support", support, "--out", out, folder / "query.png")
        assert shown.returncode == 2, shown.stderr
        assert "Traceback" not in shown.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_unknown_commands_and_options() -> None:
    assert "no command 'segmnt'" in run("segmnt").stderr
    wrong = run("demo", "--out", "x", "--episode", "0", "--colour", "red")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_demo_prints_its_table_and_names_its_image(tmp_path: Path) -> None:
    shown = run("demo", "--out", tmp_path / "demo", "--episodes", 8)
    assert shown.returncode == 0, shown.stderr
    for word in ("panet", "ssp", "cdpn", "mIoU", "FB-IoU"):
        assert word in shown.stdout
    path = tmp_path / "demo" / "demo.png"
    assert str(path) in shown.stdout
    with Image.open(path) as image:
        assert image.width > 900
        assert len(set(image.resize((64, 64)).getdata())) > 500
    refused = run("demo", "--out", tmp_path / "none", "--episodes", 0)
    assert refused.returncode == 2
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("mine")
    for command in (["demo"], ["train"], ["pretrain"]):
        refused = run(*command, "--out", tmp_path / "file")
        assert refused.returncode == 2, refused.stderr
        assert "cannot be a folder" in refused.stderr


def test_evaluate_writes_what_it_prints(tmp_path: Path) -> None:
    shown = run(
        "evaluate", "--data", "icons", "--fold", 0, "--shots", 2, "--episodes", 8, "--seeds", 0, 1, "--names", "none",
        "--method", "ssp", "--workers", 1, "--json", tmp_path / "out.json", "--page", tmp_path / "page.html",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert f"{result['miou']:.1f} ± {result['miou_std']:.1f}" in shown.stdout
    assert result["list_sha256"][0][:12] in shown.stdout
    assert result["checkpoint_selection"] == "base classes"
    assert (result["fold"], result["shots"], result["episodes"], result["seeds"]) == (0, 2, 8, [0, 1])
    assert (tmp_path / "page.html").read_text().count("<figure>") >= 8
    for wrong, said in (
        (("--episodes", 0), "at least 1"),
        (("--data", "imagenet"), "--data takes one of icons, pascal, coco, fss, folder, not imagenet"),
        (("--fold", 7), "no fold 7"),
        (("--names", "latin"), "latin"),
        (("--fold", 1), "trained for fold 0"),
        (("--seeds", 1, 1), "all be different"),
        (("--json", tmp_path), "is a folder"),
    ):
        refused = run("evaluate", *wrong)
        assert refused.returncode == 2, refused.stderr
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr


def test_train_stops_resumes_and_evaluates(tmp_path: Path) -> None:
    small = ("--batch", 1, "--validation_episodes", 2, "--checkpoint_every", 1, "--output_stride", 8)
    out = tmp_path / "run"
    shown = run("train", "--method", "panet", "--iterations", 2, *small, "--out", out)
    assert shown.returncode == 0, shown.stderr
    assert "validation" in shown.stderr
    again = run("train", "--method", "panet", "--iterations", 2, *small, "--out", out)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    other = run("train", "--method", "panet", "--iterations", 3, *small, "--out", out, "--resume")
    assert other.returncode == 2
    assert "iterations was 2 and is 3" in other.stderr
    assert run("train", "--method", "panet", "--iterations", 2, *small, "--out", out, "--resume").returncode == 0
    scored = run("evaluate", "--model", out, "--episodes", 2)
    assert scored.returncode == 0, scored.stderr
    assert "base classes" in scored.stdout
    refused = run("train", "--iterations", 0, "--out", tmp_path / "none")
    assert refused.returncode == 2
    assert "iterations must be at least 1" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_ablate_writes_table_plot_and_json(tmp_path: Path) -> None:
    shown = run(
        "ablate", "--fold", 2, "--rows", "[panet]", "--shots", "[1]", "--episodes", 2, "--train.iterations", 1,
        "--train.batch", 1, "--train.validation_episodes", 1, "--out", tmp_path / "out",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "plain prototypes" in shown.stdout
    for name in ("ablation.md", "ablation.png", "ablation.json", "panet/config.json", "panet/1-shot-exact.json"):
        assert (tmp_path / "out" / name).is_file(), name
    refused = run("ablate", "--rows", "[latin]", "--out", tmp_path / "none")
    assert refused.returncode == 2
    assert "no row 'latin'" in refused.stderr
