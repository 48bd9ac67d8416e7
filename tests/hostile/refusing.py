"""Commands on hostile files: each is refused by one sentence, with nothing written."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from tests.cli.running import run

NOTHING = "nothing-here"


class Case(NamedTuple):
    """A file below the folder of a test, its maker, the command that reads it, and a part of the sentence."""

    file: str
    make: Callable[[Path], object]
    command: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}, {self.sentence[:40]}"


def assert_refused(case: Case, folder: Path, good: Path) -> None:
    """Make the file of a case and run its command, in which {file}, {good} and {out} stand for paths."""
    path, out = folder / case.file, folder / NOTHING
    case.make(path)
    with offered(path) if path.is_fifo() else nullcontext():
        shown = run(*case.command.format(file=path, good=good, out=out).split())
    assert (shown.returncode, shown.stdout) == (2, ""), shown.stderr
    (line,) = shown.stderr.strip().splitlines()
    assert line.startswith("cdpnet: ")
    assert case.sentence in line
    assert not out.exists()


@contextmanager
def offered(pipe: Path) -> Iterator[None]:
    """Let a program that opens a pipe read its end at once, so that a test fails instead of waiting for ever."""
    writer = threading.Thread(target=lambda: pipe.open("wb").close())
    writer.start()
    try:
        yield
    finally:
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        writer.join()  # before the reader is closed, since the writer may begin late
        os.close(reader)
