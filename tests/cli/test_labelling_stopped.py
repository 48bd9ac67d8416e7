"""label, stopped: by Ctrl-C, by a kill, by a full disk, in a worker of Ray. The next run ends with the same files."""

from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cdpnet.bulk.labeller import Labeller
from tests.cli.conftest import class_files
from tests.cli.running import run
from tests.processes import run_at_once

JOURNAL = ".cdpnet-label.jsonl"


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def arguments(job: Path, out: Path, *more: object) -> list[object]:
    return ["label", "--model", "tiny", job / "images", "--classes", *class_files(job), "--out", out, *more]


def label_and_die(label_arguments: Sequence[object], file: int) -> None:
    """Kill this process when it has written the file of this number under a temporary name."""
    calls, replace = count(1), os.replace

    def replace_or_die(*paths: Path) -> None:
        if next(calls) == file:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*paths)

    os.replace = replace_or_die  # type: ignore[assignment]  # every file that is written gets its name by it
    run(*label_arguments)


def leftovers(out: Path) -> list[str]:
    return [path.name for path in out.rglob(".*") if path.is_file() and path.name != JOURNAL]


@pytest.mark.parametrize(
    "file", [1, 6, 36, 42, 44]
)  # the journal, in both windows, at the end; the last one is the page
def test_ctrl_c_loses_nothing(
    file: int, label_job: Path, job_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, calls, replace = tmp_path / "out", count(1), os.replace

    def replace_or_stop(*paths: Path) -> None:
        if next(calls) == file:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", replace_or_stop)
        stopped = run(*arguments(label_job, out))
    assert stopped.returncode == 130
    assert re.search(r"^cdpnet: (0|16|20) of (20|all) images are finished\.$", stopped.stderr, re.MULTILINE)
    assert stopped.stderr.endswith("cdpnet: stopped. Finished images are kept; the same command labels the others.\n")
    assert not (out / "index.html").exists()
    assert not leftovers(out)
    assert run(*arguments(label_job, out)).returncode == 0
    assert contents(out) == contents(job_labels)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("coco", [20]),
        pytest.param("png", [1, 6, 9, 2, 3], marks=pytest.mark.slow),
        pytest.param("coco", [1, 4, 6, 2, 3], marks=pytest.mark.slow),
        pytest.param("yolo", [20, 2], marks=pytest.mark.slow),
    ],
)
def test_killed_while_it_writes_it_ends_as_if_never_stopped(
    name: str, files: list[int], label_job: Path, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run(*arguments(label_job, whole, "--format", name)).returncode == 0
    for file in files:
        given = arguments(label_job, stopped, "--format", name)
        assert run_at_once(label_and_die, (given, file)) == [-signal.SIGKILL]
        assert leftovers(stopped)
        assert not (stopped / "index.html").exists()
    assert run(*arguments(label_job, stopped, "--format", name)).returncode == 0
    assert contents(stopped) == contents(whole)


@pytest.mark.slow
def test_ray_gives_the_same_files_and_a_killed_worker_loses_nothing(
    label_job: Path, job_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker kills itself as soon as its first image is finished."""
    pytest.importorskip("ray")
    out, one_died = tmp_path / "out", tmp_path / "died"

    class MortalLabeller(Labeller):
        def label(self, window: Sequence[str], *others: Any) -> Any:
            if not one_died.exists():
                super().label(window[:1], *others)
                one_died.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return super().label(window, *others)

    monkeypatch.setattr("cdpnet.bulk.labeller.Labeller", MortalLabeller)
    shown = run(*arguments(label_job, out, "--engine", "ray", "--workers", 1))
    assert shown.returncode == 0, shown.stderr
    assert int(one_died.read_text()) != os.getpid()
    assert contents(out) == contents(job_labels)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may become larger; in its place stands a disk that is full in the middle of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_nothing(label_job: Path, job_labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with file_size_limit(6000):
        shown = run(*arguments(label_job, out))
    assert shown.returncode == 2
    assert f"{out} cannot be written to" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not leftovers(out)
    assert run(*arguments(label_job, out)).returncode == 0
    assert contents(out) == contents(job_labels)
