"""The page that the hostile requests are sent to, with small limits."""

from __future__ import annotations

import io
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.address import Address
from cdpnet.web.api import Api
from cdpnet.web.application import make_application
from cdpnet.web.http_server import serving
from cdpnet.web.limits import Limits
from cdpnet.web.sessions import Sessions
from cdpnet.web.threads import Threads
from tests.processes import free_port
from tests.web.serving import TIMEOUT

HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
STATE, UPLOAD = "api/state", "api/images"
CLIENT = httpx.Client(verify=False, timeout=TIMEOUT)  # without certificates, which would be read for every request


@dataclass(frozen=True)
class SmallPage:
    """url: of the page. folder: of the temporary files of all sessions. api: what answers."""

    url: str
    folder: Path
    api: Api

    def files(self) -> list[str]:
        """The images of all sessions."""
        return sorted(path.name for path in self.folder.glob("*/images/*"))


@contextmanager
def small_page(
    segmenter: Segmenter, *, patience: float = TIMEOUT, connections: int = 100, **address: Any
) -> Iterator[SmallPage]:
    """Serve a page that takes one image of 1 MB at a time."""
    served = Address(**{"host": "127.0.0.1", "port": free_port(), "login": None, **address})
    limits = replace(Limits(), patience=patience, images=1, megabytes=1, logins=5, connections=connections)
    threads = Threads()
    with tempfile.TemporaryDirectory() as folder:
        api = Api(
            Sessions(EncodedImages(segmenter), Path(folder), limits, threads),
            threads,
            limits,
            "session",
            "The model is tiny.",
        )
        try:
            with serving(make_application(api, served, limits), served, limits) as url:
                yield SmallPage(url, Path(folder), api)
        finally:
            threads.close()


def picture(side: int = 40) -> dict[str, tuple[str, bytes]]:
    """An upload of one image."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 90, np.uint8)).save(buffer, "PNG")
    return {"files": ("a.png", buffer.getvalue())}


def new_client(url: str, **options: Any) -> httpx.Client:
    """A client with a session of its own."""
    client = httpx.Client(base_url=url, verify=False, timeout=TIMEOUT, **options)
    assert client.get(STATE).status_code == 200
    return client


def assert_refused(answer: httpx.Response, status: int) -> None:
    """A refusal is one sentence, with the headers of every response."""
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"].endswith(".")
    assert "Traceback" not in answer.text
    assert_headers(answer)


def assert_headers(answer: httpx.Response) -> None:
    """Every response forbids frames, everything of other hosts, and scripts and styles inside of pages."""
    assert HEADERS.items() <= dict(answer.headers).items()
    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy.split("; ")
    assert "unsafe" not in policy
    assert "http" not in policy


def assert_one_line(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """The log has at most one line, and nothing is printed beside it, such as a traceback."""
    assert sum(len(message.splitlines()) for message in caplog.messages) <= 1
    assert capfd.readouterr() == ("", "")


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", httpx.URL(url).port or 80), timeout=TIMEOUT)


def send(url: str, request: bytes) -> str:
    """Send bytes and nothing more; gives what the server sends until it closes the connection."""
    parts = []
    with connect(url) as connection:
        connection.sendall(request)
        while part := connection.recv(2**16):
            parts.append(part)
    return b"".join(parts).decode(errors="replace")
