"""Weights in the checkpoints of other programs: under keys of theirs, beside other objects, with prefixes."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from cdpnet.encoders.weights import read_state
from cdpnet.errors import WeightsError

STATE = {"a.weight": torch.ones(2, 3), "b": torch.zeros(1)}
PARALLEL = {f"module.{key}": value for key, value in STATE.items()}
COMPILED = {f"_orig_mod.{key}": value for key, value in PARALLEL.items()}
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]}
READ: dict[str, object] = {
    "alone": STATE,
    "numpy scalars": {"state_dict": STATE, "epoch": np.int64(3), "best": np.float64(0.5), "done": np.bool_(True)},
    "model": {"model": STATE, "optimizer": OPTIMIZER, "epoch": 3},
    "model_state_dict": {"model_state_dict": STATE, "loss": torch.tensor(0.5)},
    "model of model": {"model": {"state_dict": STATE}},
    "another key": {"ema": STATE, "optimizer": OPTIMIZER},
    "model and a mean": {"model": STATE, "model_ema": {"a.weight": torch.zeros(2, 3)}},
    "parallel": PARALLEL,
    "compiled": {"state_dict": COMPILED},
    "arguments": {"state_dict": STATE, "args": argparse.Namespace(lr=0.1)},
}
REFUSED: dict[str, tuple[object, str]] = {
    "no tensors": ({"epoch": 3, "lr": 0.1}, "it has the keys epoch, lr"),
    "two": ({"student": STATE, "teacher": STATE, "epoch": 3}, "it has the keys student, teacher, epoch"),
    "too deep": ({"a": {"b": {"c": {"d": STATE}}}}, "it has the keys a"),
    "objects": ({"model": STATE, "at": datetime.timedelta(1)}, r"never loaded \(datetime.timedelta\)"),
}


@pytest.mark.parametrize("name", READ)
def test_the_weights_are_found(name: str, tmp_path: Path) -> None:
    torch.save(READ[name], tmp_path / "w.pth")
    read = read_state(tmp_path / "w.pth")
    assert list(read) == list(STATE)
    assert all(torch.equal(read[key], value) for key, value in STATE.items())


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_what_was_found(name: str, tmp_path: Path) -> None:
    content, says = REFUSED[name]
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=says):
        read_state(tmp_path / "w.pth")
