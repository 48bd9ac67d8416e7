"""`cdpnet reproduce` from the check of the data to the tables, on a small tree of PASCAL VOC's layout."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.data.trees import make_voc
from tests.network.test_checkpoint import ssp_checkpoint

SMALL = (
    "--encoder", "tiny", "--batch", 1, "--iterations", 2, "--crop", 64, "--validation-episodes", 2,
    "--output-stride", 8, "--methods", "[ssp]", "--folds", "[0]", "--shots", "[1]", "--episodes", 2, "--seeds", "[0]",
    "--protocols", "[ssp,cdpnet]", "--novel-in-train", "keep",
)  # fmt: skip


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voc")
    make_voc(root, train=60, val=80)
    return root


@pytest.fixture(autouse=True)
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdpnet.data.check.default_length", lambda _: (16, (0,)))  # in place of 1,000


def test_networks_are_trained_once_and_scored_under_each_protocol(voc: Path, tmp_path: Path) -> None:
    command = ("reproduce", "pascal", "--root", voc, *SMALL, "--any-data", "--out", tmp_path / "out")
    shown = run(*command)
    assert shown.returncode == 0, shown.stderr
    assert "published 10,582" in shown.stdout
    assert re.search(r"It takes about \d+ (second|minute)s? on cpu: 1 network, 2 steps of ", shown.stdout)
    assert "8 episodes of" not in shown.stdout
    assert f" {2 * 2 + 2:,} episodes of " in shown.stdout  # two protocols, two episodes each, and one validation of two
    assert "not shown beside those of fold 0." in shown.stdout  # figures of four folds, as all published ones are
    assert "SSP, resnet50" not in shown.stdout
    assert "The data is not that of the benchmark, so published figures cannot be compared" in shown.stdout
    networks = list((tmp_path / "out" / "networks").glob("*/*"))
    assert [path.name for path in networks] == ["ssp-fold0-1shot"]
    for protocol in ("ssp", "cdpnet"):
        (result,) = json.loads((tmp_path / "out" / protocol / "results.json").read_text())
        assert result["protocol"].startswith(f"{protocol}: ")
        assert f"Protocol {protocol}:\n┏" in shown.stdout
        assert (tmp_path / "out" / protocol / "table.md").is_file()
    again = run(*command)
    assert again.returncode == 0, again.stderr
    assert "score " not in again.stderr
    assert "train " not in again.stderr


def test_a_checkpoint_of_the_authors_of_ssp_is_scored(voc: Path, tmp_path: Path) -> None:
    """Random weights in their format; results do not claim to know how they were trained."""
    ssp_checkpoint("50", tmp_path / "best.pth")
    command = ("evaluate", "--data", "pascal", "--root", voc, "--protocol", "ssp", "--episodes", 2, "--seeds", 0)
    shown = run(*command, "--model", tmp_path / "best.pth", "--json", tmp_path / "out.json")
    assert shown.returncode == 0, shown.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["network"]["encoder"]["name"] == "ssp-resnet50"
    assert (result["trained_on"], result["checkpoint_selection"]) == ("unknown", "unknown")
    assert result["novel_in_train"] == "unknown"
    refused = run(*command, "--model", tmp_path / "best.pth", "--method", "cdpn")
    assert refused.returncode == 2
    assert "best.pth determines the method itself" in refused.stderr


def test_what_stops_it_beforehand(voc: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    other = run("reproduce", "pascal", "--root", voc, *SMALL, *out)
    assert other.returncode == 1
    assert other.stdout.splitlines()[-1].startswith("Figures on other data cannot be compared; --any-data")
    weights = run("reproduce", "pascal", "--root", voc, "--any-data", *out)
    assert weights.returncode == 2
    assert "resnet50.tv_in1k" in weights.stderr  # before the data is read
    assert weights.stdout == ""
    for arguments, said in (
        (("reproduce", "icons", *out), "takes pascal or coco, not icons"),
        (("reproduce", "foo", *out), "takes pascal or coco, not foo"),
        (("reproduce", *out, "pascal", "--root", "none"), "There is no folder none"),
        (("reproduce", "--out", "pascal", "coco", "--root", "none"), "There is no folder none"),
        (("reproduce", "pascal", "--data", "coco", *out), "--data coco is not the benchmark pascal"),
        (
            ("reproduce", "pascal", "--root", voc, *SMALL, "--any-data", "--protocols", "[fast]", *out),
            "no protocol 'fast'",
        ),
    ):
        refused = run(*arguments)
        assert refused.returncode == 2
        assert said in refused.stderr
    told = run("reproduce", "pascal", "--root", voc, *SMALL, "--any-data", "--estimate", *out)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1].startswith("It takes about")
    assert not (tmp_path / "out").exists()
