"""What needs an extra that is not installed is refused before anything is written."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.conftest import class_files
from tests.cli.running import run
from tests.processes import free_port


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("ray", "bulk", ("label", "{images}", "--classes", "{class}", "--model", "tiny", "--engine", "ray")),
        ("tensorboard", "curves", ("train", "--curves", "true")),
        ("tensorboard", "curves", ("ablate", "--train.curves", "true")),
        ("tensorboard", "curves", ("table", "--curves", "true", "--root", "none", "--data", "pascal")),
        ("tensorboard", "curves", ("reproduce", "pascal", "--curves", "true", "--root", "none")),
        ("matplotlib", "curves", ("ablate",)),
        ("matplotlib", "curves", ("clicks", "--root", "none")),
        ("onnxruntime", "export", ("export",)),
        ("transformers", "teacher", ("distil",)),
    ],
)
def test_a_missing_package_is_told_before_a_folder_is_made(
    package: str,
    extra: str,
    arguments: tuple[str, ...],
    label_job: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    values = {"images": label_job / "images", "class": class_files(label_job)[0]}
    shown = run(*(word.format(**values) for word in arguments), "--out", tmp_path / "out")
    assert shown.returncode == 2, shown.stderr
    assert shown.stderr.count("\n") == 1, shown.stderr
    assert f"pip install 'cdpnet[{extra}]'" in shown.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_a_cluster_that_does_not_answer_is_told_before_a_folder_is_made(label_job: Path, tmp_path: Path) -> None:
    given = ["label", label_job / "images", "--classes", *class_files(label_job), "--model", "tiny", "--engine", "ray"]
    for address in (f"127.0.0.1:{free_port()}", "127.0.0.1:99999"):
        shown = run(*given, "--out", tmp_path / "out", RAY_ADDRESS=address)
        assert shown.returncode == 2
        assert shown.stderr == (
            f"cdpnet: There is no Ray cluster at RAY_ADDRESS, which is {address}; start one by `ray start --head`, or "
            "unset it.\n"
        )
        assert not list(tmp_path.iterdir())
