"""The option --matching.keys of the commands that segment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run

_NEEDED = {
    "evaluate": (),
    "segment": ("image.png", "--support", "image.png:image.png", "--out", "out"),
    "label": ("images", "--classes", "class.safetensors", "--out", "out"),
    "web": (),
}


@pytest.mark.parametrize("command", _NEEDED)
@pytest.mark.parametrize("value", ["15", "-64", "some", "1e3", "9" * 5000])
def test_another_value_is_refused_in_a_sentence(command: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "image.png").touch()  # not read before the option is
    done = run(command, *_NEEDED[command], f"--matching.keys={value}", cwd=tmp_path)
    assert done.returncode == 2
    assert "--matching.keys is exact or a whole number of at least 16, not " in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]


@pytest.mark.parametrize("protocol", ["ssp", "hsnet", "pfenet"])
def test_published_protocols_are_exact(protocol: str) -> None:
    done = run("evaluate", "--data", "coco", "--root", "x", "--protocol", protocol, "--matching.keys", 64)
    assert done.returncode == 2
    assert f"The protocol {protocol} is for comparison with published figures" in done.stderr


def test_results_say_how_many_keys_there_were(tmp_path: Path) -> None:
    exact, fewer = tmp_path / "exact.json", tmp_path / "fewer.json"
    evaluate = ("evaluate", "--episodes", 8)
    assert "keys" not in run(*evaluate, "--json", exact).stdout
    assert "at most 64 keys of the background" in run(*evaluate, "--matching.keys", 64, "--json", fewer).stdout
    one, other = (json.loads(path.read_text()) for path in (exact, fewer))
    assert "keys" not in one["network"]["matching"]
    assert other["network"]["matching"]["keys"] == 64
    assert one["miou"] == pytest.approx(other["miou"], abs=2)
