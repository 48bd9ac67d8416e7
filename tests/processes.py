"""Run functions in processes of their own, forked from one that has imported torch, which alone costs seconds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from socket import socket
from typing import TypeVarTuple

Inputs = TypeVarTuple("Inputs")
# Not forked from the tests themselves, whose threads, and whose state of a GPU, no child can use.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["cdpnet.bulk.job", "cdpnet.training.loop"])
_TIMEOUT = 900.0  # seconds; it only ends a test that hangs


def run_at_once(function: Callable[[*Inputs], object], *calls: tuple[*Inputs]) -> list[int | None]:
    """Call a function of a module in a process for each tuple of arguments; the exit codes, -n where signal n killed.

    None stands for a process that did not end.
    """
    children = [_FORKS.Process(target=function, args=arguments) for arguments in calls]
    for child in children:
        child.start()
    for child in children:
        child.join(_TIMEOUT)
    codes = [child.exitcode for child in children]
    for child in children:
        child.kill()
    return codes


def free_port() -> int:
    """A port of this machine that nothing uses."""
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
