"""The ablation, small: its rows, that what is done is not done again, its table and its plot."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from cdpnet.ablate import RESULTS_FILE, ROWS, AblationConfig, ablate
from cdpnet.config import METHODS, method
from cdpnet.errors import ConfigError
from cdpnet.plots import plot_ablation
from cdpnet.report import ablation_markdown
from cdpnet.train import Progress, TrainConfig

TRAINING = TrainConfig(iterations=1, batch=1, validate_every=1, validation_episodes=1, output_stride=8)


def test_the_rows_are_the_papers() -> None:
    switches = {row.name: row.switches for row in ROWS}
    assert [row.name for row in ROWS[:6]] == ["panet", "fusion", "msp", "afbm", "refined", "cdpn"]
    for name in METHODS:
        plain = dataclasses.replace(method("cdpn"), **switches[name])
        assert plain == method(name)
    on = [sum(switches[row.name].values()) for row in ROWS[:6]]
    assert on == [0, 1, 2, 3, 4, 5]  # each row of the paper adds one part


def test_rows_are_trained_scored_and_kept(tmp_path: Path) -> None:
    config = AblationConfig(episodes=2, shots=(1,), rows=("panet", "text"))
    trained: list[str] = []

    def report(what: str, state: Progress | None) -> None:
        if state is not None:
            trained.append(what)

    results = ablate(config, TRAINING, tmp_path, report)
    assert [(entry["row"], entry["names"]) for entry in results] == [
        ("panet", "exact"),
        ("text", "exact"),
        ("text", "category"),
    ]
    assert trained == ["train panet", "train text"]
    again = ablate(config, TRAINING, tmp_path, report)
    assert again == results
    assert len(trained) == 2
    table = ablation_markdown(results, tmp_path).read_text()
    assert "| plain prototypes (`panet`) | exact |" in table
    assert "1 steps of 1 episodes" in table
    assert (tmp_path / RESULTS_FILE).is_file()
    with Image.open(plot_ablation(results, tmp_path)) as plot:
        assert plot.width > 400
    with pytest.raises(ConfigError, match="no row 'ssq'"):
        ablate(dataclasses.replace(config, rows=("ssq",)), TRAINING, tmp_path, report)
    with pytest.raises(ConfigError, match="other settings"):
        ablate(dataclasses.replace(config, fold=1), TRAINING, tmp_path, report)
