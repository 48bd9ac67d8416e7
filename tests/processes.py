"""Run functions in processes of their own, and servers in threads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from socket import socket
from threading import Event, Thread
from typing import TypeVarTuple

Inputs = TypeVarTuple("Inputs")
# Forked from a process that has imported torch, which alone costs seconds, and not from the tests themselves, whose
# threads, and whose state of a GPU, no child can use.
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


@contextmanager
def served(serve: Callable[[Callable[[str], None], Event], object]) -> Iterator[str]:
    """Run a server in a thread; gives its URL.

    serve: called with a function that takes the URL once it answers, and with an event that ends it.
    """
    answers: Queue[str | BaseException] = Queue()
    stop = Event()

    def run() -> None:
        try:
            serve(answers.put, stop)
        except BaseException as error:
            answers.put(error)

    thread = Thread(target=run)
    thread.start()
    try:
        url = answers.get(timeout=_TIMEOUT)
        assert isinstance(url, str), url
        yield url
    finally:
        stop.set()
        thread.join(timeout=_TIMEOUT)
    assert answers.empty(), answers.get()
