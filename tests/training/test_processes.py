"""Training in several processes, and in one that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cdpnet.network.checkpoint import read_config
from cdpnet.network.model_files import CONFIG_FILE, MODEL_FILE
from cdpnet.training.run import LOG_FILE, STATE_FILE
from tests.processes import free_port, run_at_once
from tests.training.parallel import TOGETHER, train_apart
from tests.training.small import losses, train_small, weights

ROOT = Path(__file__).parents[2]


def join_and_train(out: Path, rank: int, port: int) -> None:
    """Be one of two processes: what torchrun says to each in its environment."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train_apart(out)


@pytest.mark.parametrize("started_by", ["us", pytest.param("torchrun", marks=pytest.mark.slow)])
def test_two_processes_in_two_parts_equal_one_with_all_at_once(tmp_path: Path, started_by: str) -> None:
    train_small(tmp_path / "one", TOGETHER)
    if started_by == "us":
        port = free_port()
        run_at_once(join_and_train, *((tmp_path / "two", rank, port) for rank in range(2)))
    else:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
        subprocess.run([*torchrun, "tests.training.parallel", str(tmp_path / "two")], cwd=ROOT, check=False)
    # gloo may abort when a process ends; what counts was said before
    assert (tmp_path / "two" / "finished").is_file()
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-3)
    logs = [json.loads((tmp_path / name / LOG_FILE).read_text()) for name in ("one", "two")]
    assert [log["settings"]["processes"] for log in logs] == [1, 2]
    validated = [[entry["miou"] for entry in log["validation"]] for log in logs]
    assert validated[1] == pytest.approx(validated[0], abs=0.5)  # pixels at a tie


def resume_and_die(out: Path, number: int) -> None:
    """Train, and kill this process in place of its n-th rename of a file, from 1."""
    rename, left = Path.replace, number

    def rename_or_die(source: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(source, target)

    Path.replace = rename_or_die  # type: ignore[method-assign, assignment]
    torch.set_num_threads(1)
    train_small(out, resume=True)


# The renames of a run: 1 state, 2 log; with the first validation 3 weights, 4 configuration; 5 state, 6 log, and so on.
EVERY_RENAME = [pytest.param([number], marks=pytest.mark.slow) for number in range(1, 11)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("renames", [[4, 2], *EVERY_RENAME])
def test_killed_while_it_writes_the_folder_always_loads(tmp_path: Path, renames: list[int]) -> None:
    """Death just before a rename, then the next process; the run ends as one that was never stopped."""
    whole, out = weights(train_small(tmp_path / "whole")), tmp_path / "out"
    for number in renames:
        assert run_at_once(resume_and_die, (out, number)) == [-signal.SIGKILL]
        _assert_it_loads(out)
    resumed = weights(train_small(out, resume=True))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not list(out.glob(".*"))


def _assert_it_loads(folder: Path) -> None:
    reached = 0
    if (folder / STATE_FILE).exists():
        reached = torch.load(folder / STATE_FILE, weights_only=True)["iteration"]
    if (folder / LOG_FILE).exists():
        assert len(losses(folder)) in (reached - 1, reached)  # written right behind the state
    if (folder / MODEL_FILE).exists():
        assert load_file(folder / MODEL_FILE)
    if (folder / CONFIG_FILE).exists():
        assert read_config(folder / CONFIG_FILE).record is not None
    assert list(folder.glob(".*"))  # the file that was about to be renamed
