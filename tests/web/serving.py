"""A page served by a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

COMMAND = "import sys; from cdpnet.cli import main; sys.exit(main(['web', *sys.argv[1:]]))"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


@dataclass(frozen=True)
class Served:
    """url: of the page. temporary: the folder that its temporary files lie in. process: the server's number."""

    url: str
    temporary: Path
    process: int


def free_port() -> int:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def served(temporary: Path, *arguments: str, code: str = COMMAND) -> Iterator[Served]:
    """Start the page; stop it at the end, and make sure that it stops well and leaves nothing behind."""
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with (temporary.parent / "server.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--port", str(free_port()), *arguments],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Served(_address(process, Path(log.name)), temporary, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            code_left = process.wait(timeout=60)
        said = Path(log.name).read_text()
        assert code_left == 0, said
        assert "Traceback" not in said, said
        assert not list(temporary.glob("cdpnet-web-*")), "temporary files are left behind"


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(1200):
        found = re.search(r"The page is at (\S+)", log.read_text())
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())
