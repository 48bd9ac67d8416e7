"""Serve the page in a thread of the tests, or in a process of its own as a user starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.address import Address
from cdpnet.web.limits import Limits
from cdpnet.web.server import serve
from tests.processes import free_port, served

COMMAND = "import sys; from cdpnet.cli import main; sys.exit(main(['web', '--model', 'tiny', *sys.argv[1:]]))"
TIMEOUT = 300.0  # seconds; it only ends a test that hangs, since the machine may be busy with other work


@dataclass(frozen=True)
class ServerProcess:
    """url: of the page. temporary: the folder of its temporary files. pid: the number of the process."""

    url: str
    temporary: Path
    pid: int


def wait_until(condition: Callable[[], object], message: str, timeout: float = TIMEOUT) -> None:
    """Return as soon as a condition holds. AssertionError with the message after the timeout in seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


@contextmanager
def serve_in_thread(
    segmenter: Segmenter,
    *,
    host: str = "127.0.0.1",
    login: tuple[str, str] | None = None,
    limits: Limits | None = None,
    project: Path | None = None,
) -> Iterator[str]:
    """Serve the page in a thread; gives its URL."""
    address, chosen = Address(host, free_port(), login), limits or Limits()
    about = "The model is tiny."
    with served(lambda ready, stop: serve(segmenter, about, address, chosen, ready, stop, project)) as url:
        yield url


@contextmanager
def serve_in_process(temporary: Path, *arguments: str, code: str = COMMAND) -> Iterator[ServerProcess]:
    """Start the page in a process; at the end stop it, and check its exit code, output and temporary files."""
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    log = temporary.parent / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--port", str(free_port()), *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(lambda: _url(log) or process.poll() is not None, "the page is not served")
            url = _url(log)
            assert url, log.read_text()
            yield ServerProcess(url, temporary, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            exit_code = process.wait(timeout=TIMEOUT)
    printed = log.read_text()
    assert exit_code == 0, printed
    assert "Traceback" not in printed, printed
    assert not list(temporary.glob("cdpnet-*")), "temporary files are left"


def _url(log: Path) -> str:
    found = re.search(r"The page is at (\S+)", log.read_text())
    return found[1] if found else ""
