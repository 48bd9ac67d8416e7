"""Hostile uploads to the page, requests that are sent by half, and a full disk."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from cdpnet.inference.segmenter import Segmenter
from tests.hostile.small_page import (
    CLIENT,
    STATE,
    UPLOAD,
    SmallPage,
    assert_one_line,
    assert_refused,
    connect,
    new_client,
    picture,
    send,
    small_page,
)
from tests.web.serving import TIMEOUT, wait_until


@pytest.fixture(scope="module")
def client(served: SmallPage) -> httpx.Client:
    return new_client(served.url)


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("text/plain", b"abc", 422),
        ("multipart/form-data", b"abc", 400),
        ("multipart/form-data; boundary=b", b"abc", 400),
        ("multipart/form-data; boundary=b", b"", 422),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nabc\r\n--b--\r\n", 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\na\r\n--b--\r\n',
            422,
        ),
        ("multipart/form-data; boundary=b; charset=nothing", b"--b--\r\n", 422),
        ("multipart/form-data; boundary=" + "b" * 5000, b"abc", 400),
    ],
)
def test_uploads_that_are_none_are_refused(client: httpx.Client, kind: str, content: bytes, status: int) -> None:
    assert_refused(client.post(UPLOAD, content=content, headers={"content-type": kind}), status)


HALVES = {
    "nothing": "",
    "a line": "GET / HTTP/1.1\r\n",
    "headers": "GET / HTTP/1.1\r\nHost: localhost\r\nX-More: a",
    "a body": "POST /api/classes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "a body where none belongs": f"GET /{STATE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{",
    "an upload": f"POST /{UPLOAD} HTTP/1.1\r\nHost: localhost\r\nCookie: session=KEY\r\nContent-Length: 1000\r\n"
    "Connection: close\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
    '--b\r\nContent-Disposition: form-data; name="files"; filename="half.png"\r\n\r\nabc',
}


@pytest.fixture(scope="module")
def impatient(segmenter: Segmenter) -> Iterator[SmallPage]:
    with small_page(segmenter, patience=0.3) as page:
        yield page


def half_of(page: SmallPage, name: str) -> bytes:
    return HALVES[name].replace("KEY", new_client(page.url).cookies["session"]).encode()


@pytest.mark.parametrize("half", HALVES)
def test_half_requests_time_out(
    impatient: SmallPage, half: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = send(impatient.url, half_of(impatient, half))
    assert answer.split()[1] == "408"
    assert "did not arrive in time" in answer
    assert impatient.files() == []
    assert_one_line(caplog, capfd)
    assert CLIENT.get(f"{impatient.url}{STATE}").status_code == 200


def test_an_open_page_does_not_hold_the_server(
    segmenter: Segmenter, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack, small_page(segmenter) as page:
        client = new_client(page.url)
        revision = client.get(STATE).json()["revision"]
        waiting = stack.enter_context(connect(page.url))
        cookie = client.cookies["session"]
        request = f"GET /api/events?after={revision} HTTP/1.1\r\nHost: localhost\r\nCookie: session={cookie}\r\n\r\n"
        waiting.sendall(request.encode())
        workspace = page.api.places.get(cookie)
        wait_until(lambda: workspace.project._listeners, "the page does not wait")
    assert not caplog.messages
    assert capfd.readouterr() == ("", "")


def test_a_trickling_body_times_out(impatient: SmallPage) -> None:
    """A byte now and then does not keep a request alive."""
    with connect(impatient.url) as connection:
        connection.sendall(half_of(impatient, "a body"))
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


def test_connections_are_limited(segmenter: Segmenter) -> None:
    with small_page(segmenter, connections=2) as page, connect(page.url), connect(page.url) as second:
        answer = send(page.url, b"")
        assert answer.startswith("HTTP/1.1 503")
        assert answer.endswith("Too many connections are open; try again in a moment.")
        second.close()
        assert "HTTP/1.1 200" in _send_until_served(page.url)


def _send_until_served(url: str) -> str:
    """The answer to a request, which is sent again while the server has not noticed that another has left."""
    answer = ""
    while "HTTP/1.1 200" not in answer:
        with suppress(ConnectionError):
            answer = send(url, f"GET /{STATE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return answer


def test_a_broken_upload_leaves_no_file(served: SmallPage) -> None:
    before = served.files()
    with connect(served.url) as connection:
        connection.sendall(half_of(served, "an upload"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
    assert served.files() == before


def test_a_full_disk_is_said_and_changes_nothing(
    served: SmallPage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    client = new_client(served.url)
    before = client.get(STATE).json()
    with monkeypatch.context() as patch:
        patch.setattr("cdpnet.projects.folder.write_bytes", fail)
        refused = client.post(UPLOAD, files=picture()).json()["refused"]
    assert refused == [{"name": "a.png", "reason": "a.png cannot be written to the disk (No space left on device)."}]
    with monkeypatch.context() as patch:
        patch.setattr("cdpnet.web.uploads.MultiPartParser.parse", fail)
        assert_refused(client.post(UPLOAD, files=picture()), 500)
    with monkeypatch.context() as patch:
        patch.setattr("cdpnet.projects.document.write_text", fail)
        assert_refused(client.post("api/classes", json={"name": "thing"}), 422)
    after = client.get(STATE).json()
    assert after == before
    assert_one_line(caplog, capfd)


def test_an_upload_is_limited(served: SmallPage) -> None:
    client, before = new_client(served.url), served.files()
    large = client.post(UPLOAD, files={"files": ("a.png", b"a" * (10**6 + 1))}).json()["refused"]
    assert large == [{"name": "a.png", "reason": "a.png is larger than 1 MB; scale it down first."}]
    many = [("files", (f"{number}.png", b"a" * 10**6)) for number in range(3)]
    assert_refused(client.post(UPLOAD, files=many), 413)
    assert_refused(client.post(UPLOAD, files=[("files", ("a.png", b"a"))] * 2), 413)
    assert_refused(client.post(UPLOAD, data={f"field {number}": "x" for number in range(5)}, files=picture()), 400)
    assert served.files() == before


@pytest.mark.parametrize("name", ["../../up.png", "..\\..\\up.png", "/etc/up.png", "C:\\up.png"])
def test_an_upload_lies_in_its_own_folder(served: SmallPage, name: str) -> None:
    client = new_client(served.url)
    state = client.post(UPLOAD, files={"files": (name, picture()["files"][1])}).json()
    assert state["refused"] == []
    assert [image["name"] for image in state["images"]] == ["up.png"]
    assert {path.parent.name for path in served.folder.rglob("up.png")} == {"images"}


@pytest.mark.parametrize(
    "name", ["..", ".png", ".hidden.png", "a\x00.png", "a\n.png", "a\x1b[2J.png", " .png", "x" * 300 + ".png"]
)
def test_names_that_no_file_should_have_are_refused(served: SmallPage, name: str) -> None:
    client, before = new_client(served.url), served.files()
    boundary, disposition = b"b", b'form-data; name="files"; filename="' + name.encode() + b'"'
    body = b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + picture()["files"][1] + b"\r\n--b--\r\n"
    answer = client.post(
        UPLOAD, content=body, headers={"content-type": f"multipart/form-data; boundary={boundary.decode()}"}
    )
    if answer.status_code == 200:
        (refused,) = answer.json()["refused"]
        assert refused["name"].isprintable()
        assert refused["reason"].isprintable()
    else:
        assert_refused(answer, 400)
    assert served.files() == before
