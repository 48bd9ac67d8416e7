"""A training that dies by SIGKILL just before it renames a file, at each of several renames in turn.

python -m tests.training.killed OUT NUMBER ..: each number is counted from the start of a process of its own, which
continues what the one before left. The folder is copied to OUT-0, OUT-1, .. behind each death.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import torch

from tests.training.small import train_small


def die_at(number: int) -> None:
    """Kill this process in place of its n-th rename of a file, from 1."""
    rename, left = Path.replace, number

    def rename_or_die(source: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(source, target)

    Path.replace = rename_or_die  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    for index, number in enumerate(sys.argv[2:]):
        child = os.fork()  # nothing has been computed yet, so there are no threads that a fork would lose
        if child == 0:
            die_at(int(number))
            train_small(out, resume=True)
            os._exit(1)  # it outlived the rename
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"rename {number} never came"
        shutil.copytree(out, f"{out}-{index}")
