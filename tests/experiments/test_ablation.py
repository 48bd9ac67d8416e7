"""The ablation, small: its rows, that what is done is not done again, its table and its plot."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.config import METHODS, TrainConfig, method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.errors import ConfigError
from cdpnet.experiments.ablation import RESULTS_FILE, ablate
from cdpnet.experiments.ablation_rows import ROWS, AblationConfig
from cdpnet.report.markdown import ablation_markdown
from cdpnet.report.plots import plot_ablation
from cdpnet.training.loop import Progress

TRAINING = TrainConfig(iterations=1, batch=1, validate_every=1, validation_episodes=1, output_stride=8)


def test_the_rows_are_the_papers() -> None:
    switches = {row.name: row.switches for row in ROWS}
    assert [row.name for row in ROWS[:8]] == [
        "panet",
        "fusion",
        "msp",
        "afbm",
        "refined",
        "paper",
        "background",
        "cdpn",
    ]
    for name in METHODS:
        plain = dataclasses.replace(method("cdpn"), **switches[name])
        assert plain == method(name)
    on = [sum(bool(value) for value in switches[row.name].values()) for row in ROWS[:8]]
    assert on == list(range(8))  # each row adds one part: five of the paper, two of ours


def test_rows_are_trained_scored_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(IconEpisodes, layout=SceneLayout(size=48))
    monkeypatch.setattr("cdpnet.experiments.ablation.IconEpisodes", small)
    config = AblationConfig(episodes=2, shots=(1,), rows=("panet", "text"))
    trained: list[str] = []

    def report(stage: str, state: Progress | None) -> None:
        if state is not None:
            trained.append(stage)

    results = ablate(config, TRAINING, tmp_path, report)
    assert [(entry.row, entry.result.rules.names) for entry in results] == [
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
    assert "1 step of 1 episode," in table
    assert (tmp_path / RESULTS_FILE).is_file()
    with Image.open(plot_ablation(results, tmp_path)) as plot:
        bars = np.asarray(plot.convert("RGB")).reshape(-1, 3)
    drawn = {colour: int((bars == colour).all(axis=1).sum()) for colour in ((47, 111, 176), (195, 204, 214))}
    share = results[0].result.figures.miou / sum(
        entry.result.figures.miou for entry in results
    )  # a bar is as long as its figure
    assert drawn[47, 111, 176] / sum(drawn.values()) == pytest.approx(share, abs=0.05)
    with pytest.raises(ConfigError, match="no row 'ssq'"):
        ablate(dataclasses.replace(config, rows=("ssq",)), TRAINING, tmp_path, report)
    with pytest.raises(ConfigError, match="other settings"):
        ablate(dataclasses.replace(config, fold=1), TRAINING, tmp_path, report)
    with pytest.raises(ConfigError, match="other settings"):
        ablate(config, dataclasses.replace(TRAINING, learning_rate=1e-3), tmp_path, report)
    only_ssp = dataclasses.replace(config, rows=("ssp",))
    other = ablate(only_ssp, dataclasses.replace(TRAINING, learning_rate=1e-3), tmp_path, report)
    assert [entry.row for entry in other] == ["ssp"]  # the rows of another budget stay out of its table
    for wrong in ({"shots": ()}, {"shots": (0,)}, {"seeds": ()}, {"seeds": (1, 1)}, {"episodes": 0}):
        with pytest.raises(ConfigError):
            AblationConfig(**wrong)
