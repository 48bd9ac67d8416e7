"""A small page that the hostile requests are sent to, since its server and its filters are those of ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gradio as gr
import httpx
import pytest

from cdpnet.web.address import Address
from cdpnet.web.application import make_application
from cdpnet.web.blocks import PageBlocks
from cdpnet.web.http_server import serving
from cdpnet.web.limits import Limits
from tests.processes import free_port
from tests.web.serving import TIMEOUT

HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
UPLOAD = "gradio_api/upload"
JOIN = "gradio_api/queue/join"
FILE = {"files": ("a.txt", b"abc")}
SECRET = "what only users see"
CLIENT = httpx.Client(verify=False, timeout=TIMEOUT)  # without certificates, which would be read for every request


@contextmanager
def small_page(*, patience: float = TIMEOUT, connections: int = Limits().connections, **address: Any) -> Iterator[str]:
    """Serve a page with one event, which takes a number; gives its URL."""
    with PageBlocks(analytics_enabled=False) as page:
        gr.Markdown(SECRET)
        number = gr.Slider(0, 1)
        number.change(lambda value: value + 1, number, number)
    served = Address(**{"host": "127.0.0.1", "port": free_port(), "login": None, **address})
    limits = replace(Limits(), patience=patience, connections=connections, logins=3, images=1, megabytes=1)
    with serving(make_application(page, served, limits), served, limits) as url:
        yield url
        page.close(verbose=False)


def assert_refused(answer: httpx.Response, status: int) -> None:
    """A refusal is one sentence, with the headers of every response."""
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"].endswith(".")
    assert_headers(answer)


def assert_headers(answer: httpx.Response) -> None:
    assert HEADERS.items() <= dict(answer.headers).items()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'unsafe-eval'" in policy
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
