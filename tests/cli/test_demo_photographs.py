"""The photographs of the demonstration: found and drawn where Gradio is installed, explained where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cdpnet.cli import demo_photographs
from cdpnet.cli.demo_photographs import find_photographs, segment_photographs
from tests.cli.running import run


def test_the_cheetahs_are_found(tmp_path: Path) -> None:
    folder = find_photographs()
    if folder is None:
        pytest.skip("the photographs come with Gradio, which is not installed")
    findings = segment_photographs(folder, tmp_path / "photographs.png", "cpu")
    share = {finding.shows: finding.share for finding in findings}
    assert 0.02 < share["a running cheetah"] < 0.2
    assert 0.2 < share["a cub"] < 0.7
    assert share["no cheetah"] == 0
    with Image.open(tmp_path / "photographs.png") as image:
        assert image.width > 4 * 320


def test_without_gradio_the_demonstration_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_photographs, "find_spec", lambda _: None)
    monkeypatch.setattr("cdpnet.cli.demo._CANDIDATES", 8)
    shown = run("demo", "--out", tmp_path, "--episodes", 2)
    assert shown.returncode == 0, shown.stderr
    assert "pip install 'cdpnet[demo]'" in shown.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["demo.png"]
