"""Hostile requests to the page: malformed, half sent, too large."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.small_page import (
    CLIENT,
    FILE,
    JOIN,
    UPLOAD,
    assert_one_line,
    assert_refused,
    connect,
    send,
    small_page,
)
from tests.web.serving import TIMEOUT


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "nothing", None, 404),
        ("GET", "gradio_api/run/predict", None, 404),
        ("DELETE", "", None, 405),
        ("GET", JOIN, None, 405),
        ("GET", "?page=nothing", None, 400),
        ("GET", "assets/" + "a" * 5000, None, 400),
        ("GET", "gradio_api/queue/data", None, 422),
        ("POST", JOIN, "[", 422),
        ("POST", JOIN, "[]", 422),
        ("POST", JOIN, '{"data": 5, "fn_index": "x"}', 422),
        ("POST", JOIN, '{"data": []}', 400),
        ("POST", JOIN, '{"data": [], "fn_index": 999, "session_hash": "a"}', 400),
        ("POST", JOIN, r'{"data": [1], "fn_index": 0, "session_hash": "\ud800"}', 400),
        ("POST", JOIN, r'{"data": [{"\udfff": 1}], "fn_index": 0, "session_hash": "a"}', 400),
        ("POST", "login", "username=anna", 422),
    ],
)
def test_malformed_requests_are_refused_in_a_sentence(
    url: str,
    method: str,
    path: str,
    content: str | None,
    status: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer = CLIENT.request(method, f"{url}{path}", content=content, headers={"content-type": "application/json"})
    assert_refused(answer, status)
    assert_one_line(caplog, capfd)


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "gradio_api/file=%00",
        "static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "assets/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "svelte/%2fetc%2fpasswd",
    ],
)
def test_no_other_file_is_served(url: str, path: str) -> None:
    answer = send(url, f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in ("403", "404")
    assert "root:" not in answer


@pytest.mark.parametrize("data", [[], ["text"], [None, None, None], [{"path": "/etc/passwd"}], [{}]])
def test_an_event_with_forged_input_fails_in_a_line(
    url: str, data: list[Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    joined = CLIENT.post(f"{url}{JOIN}", json={"data": data, "fn_index": 0, "session_hash": "forged"})
    assert joined.status_code == 200
    events = CLIENT.get(f"{url}gradio_api/queue/data", params={"session_hash": "forged"}).text
    assert "The server could not do this; reload the page and try again." in events
    assert_one_line(caplog, capfd)


HALVES = {
    "nothing": "",
    "a line": "GET / HTTP/1.1\r\n",
    "headers": "GET / HTTP/1.1\r\nHost: localhost\r\nX-More: a",
    "a body": f"POST /{JOIN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{",
    "an upload": f"POST /{UPLOAD} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nConnection: close\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    '--b\r\nContent-Disposition: form-data; name="files"; filename="half.png"\r\n\r\nabc',
}


@pytest.fixture(scope="module")
def impatient() -> Iterator[str]:
    with small_page(patience=0.3) as url:
        yield url


@pytest.mark.parametrize("half", HALVES)
def test_half_requests_time_out(
    impatient: str, half: str, uploads: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    before = set(uploads.rglob("*"))
    answer = send(impatient, HALVES[half].encode())
    assert answer.split()[1] == ("400" if half == "an upload" else "408")
    assert "did not arrive in time" in answer
    assert set(uploads.rglob("*")) == before
    assert_one_line(caplog, capfd)
    assert CLIENT.get(f"{impatient}config").status_code == 200


def test_an_open_page_does_not_hold_the_server(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack, small_page() as url:
        events = stack.enter_context(CLIENT.stream("GET", f"{url}gradio_api/heartbeat/one"))
        assert next(events.iter_raw()).startswith(b"data: ALIVE")
    assert not caplog.messages
    assert capfd.readouterr() == ("", "")


def test_a_trickling_body_times_out(impatient: str) -> None:
    """A byte now and then does not keep a request alive."""
    with connect(impatient) as connection:
        connection.sendall(HALVES["a body"].encode())
        connection.settimeout(0.05)
        received = b""
        for _ in range(round(TIMEOUT / 0.05)):
            try:
                connection.sendall(b" ")
                received = connection.recv(1000)
                break
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408")


def test_connections_are_limited() -> None:
    with small_page(connections=2) as url, connect(url), connect(url) as second:
        answer = send(url, b"")
        assert answer.startswith("HTTP/1.1 503")
        assert answer.endswith("Too many connections are open; try again in a moment.")
        second.close()
        assert "HTTP/1.1 200" in _send_until_served(url)


def _send_until_served(url: str) -> str:
    """The answer to a request, which is sent again while the server has not noticed that another has left."""
    answer = ""
    while "HTTP/1.1 200" not in answer:
        with suppress(ConnectionError):
            answer = send(url, b"GET /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return answer


def test_a_broken_upload_leaves_no_file(url: str, uploads: Path) -> None:
    before = set(uploads.rglob("*"))
    with connect(url) as connection:
        connection.sendall(HALVES["an upload"].encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
    assert set(uploads.rglob("*")) == before


def test_a_full_disk_is_no_fault_of_the_request(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gradio.route_utils.NamedTemporaryFile", fail)
    assert_refused(CLIENT.post(f"{url}{UPLOAD}", files=FILE), 500)
    assert_one_line(caplog, capfd)


def test_an_upload_is_limited(url: str, uploads: Path) -> None:
    before = set(uploads.rglob("*"))
    many = [("files", (f"{number}.png", b"a" * 10**6)) for number in range(3)]
    assert CLIENT.post(f"{url}{UPLOAD}", files=many).status_code == 413
    assert set(uploads.rglob("*")) == before
