"""A training in several gloo processes, each of which says that it has finished before it exits; see `test_processes`.

python -m tests.training.parallel OUT, started by torchrun.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch

from cdpnet.runtime.distributed import processes
from cdpnet.training.loop import train
from tests.training.small import CONFIG, new_episodes, new_network

TOGETHER = dataclasses.replace(CONFIG, batch=4, validation_episodes=6)
APART = dataclasses.replace(TOGETHER, batch=1, accumulate=2)  # for two processes


def train_apart(out: Path) -> None:
    """Train as one of the processes that the environment names."""
    torch.set_num_threads(1)
    with processes() as here:
        train(new_network(), new_episodes(), APART, out, processes=here)
        here.wait()
        if here.first:
            (out / "finished").touch()


if __name__ == "__main__":
    train_apart(Path(sys.argv[1]))
