"""Commands of research on the embedded icons: their files, their exit codes, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run


def test_evaluate_writes_what_it_prints(tmp_path: Path) -> None:
    shown = run(
        "evaluate", "--data", "icons", "--fold", 0, "--shots", 2, "--episodes", 4, "--seeds", 0, 1, "--names", "none",
        "--method", "ssp", "--workers", 1, "--json", tmp_path / "out.json", "--page", tmp_path / "page.html",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert f"{result['miou']:.1f} ± {result['miou_std']:.1f}" in shown.stdout
    assert result["list_sha256"][0][:12] in shown.stdout
    assert result["checkpoint_selection"] == "base classes"
    assert (result["fold"], result["shots"], result["episodes"], result["seeds"]) == (0, 2, 4, [0, 1])
    assert (tmp_path / "page.html").read_text().count("<figure>") >= 4


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--episodes 0", "at least 1"),
        ("--data imagenet", "--data takes one of icons, pascal, coco, fss, folder, not imagenet"),
        ("--fold 7", "no fold 7"),
        ("--names latin", "latin"),
        ("--fold 1", "trained for fold 0"),
        ("--seeds 1 1", "all be different"),
        ("--json {tmp}", "{tmp} is a folder"),
        ("--json {tmp}/a --page {tmp}/../{tmp.name}/a", "give each a file of its own"),
        ("--workers -1", "must not be negative"),
        ("--ways 2 --page {tmp}/page.html", "--ways"),
        ("--name-alone --names none", "--names none gives none; leave one of them out"),
    ],
)
def test_evaluate_refuses(arguments: str, expected: str, tmp_path: Path) -> None:
    refused = run("evaluate", *arguments.format(tmp=tmp_path).split())
    assert refused.returncode == 2, refused.stderr
    assert expected.format(tmp=tmp_path) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.iterdir())


def test_evaluate_replaces_its_own_files_only(tmp_path: Path) -> None:
    figures, page, foreign = (tmp_path / name for name in ("out.json", "page.html", "config.json"))
    command = ("evaluate", "--episodes", 1, "--seeds", 0)
    for _ in range(2):
        assert run(*command, "--json", figures, "--page", page).returncode == 0
    foreign.write_text('{"cdpnet": "0.3.0"}')
    for option, path in (("--json", foreign), ("--page", foreign), ("--json", page), ("--page", figures)):
        before = path.read_bytes()
        refused = run(*command, option, path)
        assert refused.returncode == 2
        assert f"{path} is a file of another kind, which would be lost" in refused.stderr
        assert path.read_bytes() == before


def test_train_stops_resumes_and_evaluates(tmp_path: Path) -> None:
    small = ("--batch", 1, "--validation_episodes", 2, "--checkpoint_every", 1, "--output_stride", 8)
    out = tmp_path / "run"
    shown = run("train", "--method", "panet", "--iterations", 2, *small, "--out", out, "--resume")
    assert shown.returncode == 0, shown.stderr
    begins = f"{out} holds no state of an earlier run; --resume begins with the first iteration."
    assert begins in shown.stderr.splitlines()
    assert "validation" in shown.stderr
    again = run("train", "--method", "panet", "--iterations", 2, *small, "--out", out)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    other = run("train", "--method", "panet", "--iterations", 3, *small, "--out", out, "--resume")
    assert other.returncode == 2
    assert "iterations was 2 and is 3" in other.stderr
    finished = run("train", "--method", "panet", "--iterations", 2, *small, "--out", out, "--resume")
    assert finished.returncode == 0
    assert begins not in finished.stderr
    scored = run("evaluate", "--model", out, "--episodes", 2)
    assert scored.returncode == 0, scored.stderr
    assert "base classes" in scored.stdout


def test_train_refuses_no_iterations(tmp_path: Path) -> None:
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


def test_ablate_refuses_a_row_that_there_is_not(tmp_path: Path) -> None:
    refused = run("ablate", "--rows", "[latin]", "--out", tmp_path / "none")
    assert refused.returncode == 2
    assert "'latin'" in refused.stderr


def test_calibrate_writes_a_network_with_thresholds(tmp_path: Path) -> None:
    out = tmp_path / "calibrated"
    shown = run("calibrate", "--method", "panet", "--episodes", 8, "--false_masks", 50, "--out", out)
    assert shown.returncode == 0, shown.stderr
    assert str(out) in shown.stdout
    decision = json.loads((out / "config.json").read_text())["network"]["decision"]
    assert decision
    scored = run("evaluate", "--model", out, "--episodes", 1)
    assert scored.returncode == 0, scored.stderr
    for option, value in (("--false-masks", 120), ("--most-lost", -3.5)):
        refused = run("calibrate", option, value, "--out", tmp_path / "no")
        assert refused.returncode == 2
        assert refused.stderr == f"cdpnet: {option} is a percentage from 0 to 100, not {value}.\n"


def test_what_was_fitted_replaces_no_other_network(tmp_path: Path) -> None:
    out = tmp_path / "calibrated"
    command = ("calibrate", "--episodes", 8, "--false-masks", 50, "--out", out)
    for again in ("--method", "panet"), ("--model", out):  # the same network, which stands there already
        assert run(*command, *again).returncode == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for name in ("calibrate", "levels"):
        refused = run(name, "--method", "ssp", "--episodes", 8, "--out", out)
        assert refused.returncode == 2
        assert refused.stderr.endswith(f"{out} holds another network, which would be replaced; give another --out.\n")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (out / "config.json").write_text("{}")  # of another program
    assert "holds another network" in run(*command, "--method", "panet").stderr


def test_levels_writes_a_network_with_levels(tmp_path: Path) -> None:
    out = tmp_path / "levels"
    shown = run("levels", "--method", "panet", "--episodes", 8, "--out", out)
    assert shown.returncode == 0, shown.stderr
    assert "own level, fitted on other classes" in shown.stdout
    weights = json.loads((out / "config.json").read_text())["network"]["level"]
    assert any(weights.values())
    scored = run("evaluate", "--model", out, "--episodes", 1)
    assert scored.returncode == 0, scored.stderr
    refused = run("levels", "--method", "panet", "--episodes", 1, "--out", tmp_path / "no")
    assert refused.returncode == 2
    assert "give --episodes a larger number" in refused.stderr
