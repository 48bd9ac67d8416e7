"""demo: its table, its image, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.running import run


def test_demo_prints_its_table_and_names_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdpnet.cli.demo._CANDIDATES", 8)
    monkeypatch.setattr("cdpnet.cli.demo.find_photographs", lambda: None)  # they have tests of their own
    shown = run("demo", "--out", tmp_path / "demo", "--episodes", 8)
    assert shown.returncode == 0, shown.stderr
    for word in ("panet", "ssp", "cdpn", "mIoU", "FB-IoU"):
        assert word in shown.stdout
    path = tmp_path / "demo" / "demo.png"
    assert str(path) in shown.stdout
    with Image.open(path) as image:
        assert image.width > 900
        assert len(set(image.resize((64, 64)).getdata())) > 500


def test_no_episodes_are_refused(tmp_path: Path) -> None:
    refused = run("demo", "--out", tmp_path / "none", "--episodes", 0)
    assert refused.returncode == 2
    assert "--episodes" in refused.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", ["demo", "train", "pretrain"])
def test_an_out_that_is_a_file(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused = run(command, "--out", tmp_path / "file")
    assert refused.returncode == 2, refused.stderr
    assert str(tmp_path / "file") in refused.stderr
    assert "cannot be a folder to write to (File exists); give another path." in refused.stderr
    assert (tmp_path / "file").read_text() == "mine"
