"""Runs on disk: resuming to the bit, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest
import torch

from cdpnet.errors import CdpnetError, ConfigError
from cdpnet.network.model_files import CONFIG_FILE, MODEL_FILE
from cdpnet.training.loop import Progress, train
from cdpnet.training.run import LOG_FILE, STATE_FILE
from tests.training.small import CONFIG, losses, new_episodes, new_network, train_small, weights


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, optimizer: Literal["adamw", "sgd"]) -> None:
    config = dataclasses.replace(CONFIG, optimizer=optimizer, schedule="steps", checkpoint_every=2)
    whole = weights(train_small(tmp_path / "whole", config))

    def stop(progress: Progress) -> None:
        if progress.iteration == 3:  # one iteration behind the last state, which is made again
            raise StoppedError

    with pytest.raises(StoppedError):
        train(new_network(), new_episodes(), config, tmp_path / "parts", stop)
    torch.rand(3)  # whatever happened in between
    parts = weights(train_small(tmp_path / "parts", config, resume=True))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    logs = [json.loads((tmp_path / name / LOG_FILE).read_text()) for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert (tmp_path / "whole" / MODEL_FILE).read_bytes() == (tmp_path / "parts" / MODEL_FILE).read_bytes()
    assert (tmp_path / "whole" / CONFIG_FILE).read_bytes() == (tmp_path / "parts" / CONFIG_FILE).read_bytes()


def test_a_run_is_continued_only_when_asked_and_only_with_its_settings(tmp_path: Path) -> None:
    train_small(tmp_path)
    with pytest.raises(ConfigError, match="at iteration 4; go on with it by --resume"):
        train_small(tmp_path)
    with pytest.raises(ConfigError, match=r"train.learning_rate was 0.0003 and is 0.01"):
        train_small(tmp_path, dataclasses.replace(CONFIG, learning_rate=1e-2), resume=True)
    with pytest.raises(ConfigError, match="fold was 0 and is 3"):
        train(new_network(), new_episodes(fold=3), CONFIG, tmp_path, resume=True)
    with pytest.raises(ConfigError, match=r"network.text_fusion was true and is false"):
        train_small(tmp_path, resume=True, name="panet")
    before = (tmp_path / STATE_FILE).read_bytes()
    train_small(tmp_path, dataclasses.replace(CONFIG, workers=1), resume=True)  # finished, and workers change nothing
    assert (tmp_path / STATE_FILE).read_bytes() == before
    other = new_network()
    next(p for p in other.parameters() if not p.requires_grad).data.add_(1e-3)
    with pytest.raises(ConfigError, match="frozen was"):
        train(other, new_episodes(), CONFIG, tmp_path, resume=True)
    (tmp_path / STATE_FILE).write_bytes(before[:1000])
    with pytest.raises(ConfigError, match="broken; remove it"):
        train_small(tmp_path, resume=True)
    torch.save({"settings": {}}, tmp_path / STATE_FILE)
    with pytest.raises(ConfigError, match="not the state of a run"):
        train_small(tmp_path, resume=True)
    (tmp_path / STATE_FILE).unlink()
    with pytest.raises(ConfigError, match="without the state of its training"):
        train_small(tmp_path)
    model = (tmp_path / MODEL_FILE).read_bytes()
    with pytest.raises(ConfigError, match="checkpoint of another training"):
        train(new_network(), new_episodes(fold=3), CONFIG, tmp_path, resume=True)
    assert (tmp_path / MODEL_FILE).read_bytes() == model
    train_small(tmp_path, resume=True)  # killed before its first state was saved
    assert (tmp_path / MODEL_FILE).read_bytes() == model


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    train_small(tmp_path)
    state = torch.load(tmp_path / STATE_FILE, weights_only=True)
    weight = next(iter(state["network"]))
    for change, sentence in (
        ({"network": {weight: state["network"][weight] * float("nan")}}, f"its tensor '{weight}' holds numbers"),
        ({"network": {weight: torch.zeros(1, 2, 3)}}, f"another shape of '{weight}'"),
        ({"optimizer": {}}, "not the state of a run"),
        ({"random": torch.zeros(2)}, "not the state of a run"),
        ({"settings": {**state["settings"], "processes": "two"}}, "not the state of a run"),
        ({"validations": [1]}, "not the state of a run"),
    ):
        torch.save({**state, **change}, tmp_path / STATE_FILE)
        with pytest.raises(CdpnetError, match=sentence):
            train_small(tmp_path, resume=True)


def test_only_own_leftovers_are_removed(tmp_path: Path) -> None:
    for name in (".training.0a1b2c3d.pt", ".bashrc.20240131", ".training.notes.pt"):
        (tmp_path / name).write_text("x")
    train_small(tmp_path, dataclasses.replace(CONFIG, iterations=1))
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".bashrc.20240131", ".training.notes.pt"]


def test_curves_are_written(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train_small(tmp_path, dataclasses.replace(CONFIG, curves=True))
    events = event_accumulator.EventAccumulator(str(tmp_path / "curves"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("validation mIoU")] == [2, 4]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(losses(tmp_path))
