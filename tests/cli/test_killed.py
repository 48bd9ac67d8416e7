"""Commands killed at random moments, and two of them at once: the files are those of an undisturbed run."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import re
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from cdpnet.io.locks import LOCK_FILE
from cdpnet.training.run import STATE_FILE
from tests.cli.test_benchmarks import SMALL

pytestmark = pytest.mark.slow

N_KILLS = 20
N_PAIRS = 20
SECONDS = re.compile(rb'"seconds": [0-9.e-]+')
MODULES = ("cdpnet.cli.labelling", "cdpnet.training.loop", "cdpnet.inference.onnx_export", "cdpnet.bulk.job")


def _call(arguments: list[str]) -> None:
    """What a process does: run a command on one thread, without its output."""
    import os

    import torch

    from cdpnet.cli import main

    torch.set_num_threads(1)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    raise SystemExit(main(arguments))


def start(*arguments: object) -> BaseProcess:
    """Run a command in a process of its own, which begins with all libraries loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(MODULES))
    process = context.Process(target=_call, args=(list(map(str, arguments)),))
    process.start()
    return process


def finish(process: BaseProcess) -> int | None:
    """Wait for its end; its exit code."""
    process.join()
    return process.exitcode


def hashes(out: Path) -> dict[str, str]:
    """The SHA-256 of every file, without the seconds that results have taken.

    Left out are the states of trainings, whose bytes depend on the identity of objects, and the lock, which a process
    leaves that is killed while it holds the folder.
    """
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(SECONDS.sub(b"", path.read_bytes())).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.name not in (LOCK_FILE, STATE_FILE)
    }


def killed_and_undisturbed(command: Callable[[Path], list[object]], tmp_path: Path) -> tuple[Path, Path]:
    """The folders of a command that was killed again and again until it ran through, and of one that was not."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert finish(start(*command(tmp_path / "first"))) == 0  # the libraries are loaded now
    begun = time.monotonic()
    assert finish(start(*command(whole))) == 0
    seconds = time.monotonic() - begun
    moments = random.Random(0)
    for _ in range(N_KILLS):
        process = start(*command(stopped))
        process.join(moments.uniform(0, seconds))
        process.kill()
        finish(process)
    assert finish(start(*command(stopped))) == 0
    return stopped, whole


def label(job: Path, out: Path, label_format: str) -> list[object]:
    classes = [job / "class0.safetensors", job / "class1.safetensors"]
    return ["label", "--model", "tiny", job / "images", "--classes", *classes, "--out", out, "--format", label_format]


@pytest.mark.parametrize("label_format", ["png", "coco", "labelme"])
def test_label_is_killed(label_format: str, label_job: Path, tmp_path: Path) -> None:
    stopped, whole = killed_and_undisturbed(lambda out: label(label_job, out, label_format), tmp_path)
    assert hashes(stopped) == hashes(whole)


def test_train_is_killed(tmp_path: Path) -> None:
    small = "--method panet --iterations 6 --batch 1 --validate_every 2 --validation_episodes 2 --checkpoint_every 1"
    fast = "--output_stride 8 --device cpu --resume"
    stopped, whole = killed_and_undisturbed(
        lambda out: ["train", *small.split(), *fast.split(), "--out", out], tmp_path
    )
    assert hashes(whole).keys() == {"config.json", "model.safetensors", "log.json"}
    assert hashes(stopped) == hashes(whole)


def test_a_class_file_is_killed(label_job: Path, tmp_path: Path) -> None:
    support = f"{label_job / 'support0.png'}:{label_job / 'mask0.png'}"
    options = ["--model", "tiny", "--name", "thing", "--support", support, "--overwrite"]
    stopped, whole = killed_and_undisturbed(lambda out: ["learn", *options, "-o", out / "a.safetensors"], tmp_path)
    assert hashes(whole)["a.safetensors"] == hashes(stopped)["a.safetensors"]


def test_export_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    stopped, whole = killed_and_undisturbed(
        lambda out: ["export", "--model", "tiny", "--overwrite", "--out", out], tmp_path
    )
    assert {name: hashes(stopped)[name] for name in hashes(whole)} == hashes(whole)


def test_table_is_killed(data_folder: Path, tmp_path: Path) -> None:
    data = ["--data", "folder", "--root", data_folder, *SMALL]
    cells = "--methods [panet] --folds [0,2] --train_shots 1 --shots [1] --episodes 2 --seeds [0] --device cpu"
    stopped, whole = killed_and_undisturbed(lambda out: ["table", *data, *cells.split(), "--out", out], tmp_path)
    assert hashes(stopped) == hashes(whole)


def test_two_at_once_write_what_one_does(label_job: Path, tmp_path: Path) -> None:
    """Either waits for nobody: one of two labels, the other is refused, or finds everything done."""
    assert finish(start(*label(label_job, tmp_path / "whole", "png"))) == 0
    refused = 0
    for number in range(N_PAIRS):
        out = tmp_path / str(number)
        codes = [finish(process) for process in [start(*label(label_job, out, "png")) for _ in range(2)]]
        assert 0 in codes
        assert set(codes) <= {0, 2}
        refused += 2 in codes
        assert finish(start(*label(label_job, out, "png"))) == 0
        assert hashes(out) == hashes(tmp_path / "whole")
    assert refused
