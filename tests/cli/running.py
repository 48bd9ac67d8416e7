"""Run the command line: in this process, or in one of its own where the process is what is tested."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from cdpnet.cli import main

COMMAND = (sys.executable, "-m", "cdpnet")
TERMINAL = {"COLUMNS": "200"}  # so that tables and messages are not wrapped
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call `cdpnet.cli.main` with arguments; its exit code and what it wrote to standard output and standard error.

    variables: environment variables of the call. All state of the process that a command changes is restored. An
    exception that `main` does not handle is printed with its traceback and gives exit code 1, as in a process.
    """
    given, out, err = list(map(str, arguments)), io.StringIO(), io.StringIO()
    with (
        _restored(variables),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _warnings_on_standard_error(),
    ):
        code = _exit_code(given)
    return subprocess.CompletedProcess(given, code, out.getvalue(), err.getvalue())


def run_process(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """As `run`, in a process of its own, which costs seconds."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **TERMINAL, **variables},
        timeout=300,
        check=False,
    )


def _exit_code(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
            return 1
        return leaving.code or 0
    except Exception:
        traceback.print_exc()
        return 1


@contextlib.contextmanager
def _restored(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables; restore them, random number generators, torch's switches and signal handlers."""
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with mock.patch.dict(os.environ, {**TERMINAL, **variables}):
            yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _warnings_on_standard_error() -> Iterator[None]:
    """Show warnings as the interpreter does; pytest would collect them, and a test could not see them."""

    def show(message: object, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
        sys.stderr.write(warnings.formatwarning(str(message), category, filename, lineno))

    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show  # type: ignore[assignment]
        yield
