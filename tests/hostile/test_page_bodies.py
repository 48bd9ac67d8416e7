"""Hostile requests to the page: malformed, half sent, too large."""

from __future__ import annotations

import errno
import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import numpy as np
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
from tests.web.client import data_url, png
from tests.web.serving import TIMEOUT, wait_until

MASK = data_url(np.ones((40, 40), np.bool_))


@pytest.fixture(scope="module")
def client(served: SmallPage) -> httpx.Client:
    """A user with an image and a class."""
    client = new_client(served.url)
    assert client.post(UPLOAD, files=picture()).status_code == 200
    assert client.post("api/classes", json={"name": "thing"}).status_code == 200
    return client


def filled(client: httpx.Client, text: str) -> str:
    """A text with the ids of the image and the class."""
    state = client.get(STATE).json()
    return text.replace("IMAGE", state["images"][0]["id"]).replace("CLASS", state["classes"][0]["id"])


BODIES = (  # method, address, and a body that is right, whose fields are damaged one by one
    ("POST", "images/IMAGE/click", {"class": "CLASS", "clicks": [[1, 1, True]], "box": None, "mask": None}),
    ("PUT", "images/IMAGE/mask", {"revision": 1, "class": "CLASS", "mask": MASK}),
    ("POST", "images/IMAGE/review", {"revision": 1, "verdict": "accepted"}),
    ("POST", "classes", {"name": "other"}),
    ("PATCH", "classes/CLASS", {"name": "other"}),
    ("POST", "examples", {"image": "IMAGE", "class": "CLASS", "revision": 1}),
    ("PATCH", "examples/e1-000000", {"enabled": False}),
    ("POST", "settings", {"threshold": 0.5, "presence": True}),
)
NO_BODIES = (
    "",
    "[",
    "[]",
    "5",
    "null",
    '"text"',
    "{",
    "[" * 100_000,
    '{"a": ' * 5000,
    "9" * 5000,
    "\x00",
    '{"revision": NaN}',
)
WRONG: tuple[Any, ...] = (None, [], {}, -1, 1.5, "x", "", float("nan"), True, [[]], "data:image/png;base64,!", 10**400)


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_malformed_bodies_are_refused_and_change_nothing(
    client: httpx.Client,
    method: str,
    path: str,
    body: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = client.get(STATE).json()
    good, address = json.loads(filled(client, json.dumps(body))), f"api/{filled(client, path)}"
    damaged = [content for content in NO_BODIES if not (path == "settings" and content in ("", '{"revision": NaN}'))]
    for field in good:
        for value in WRONG:
            is_right = (field, value) in (
                ("presence", True),
                ("box", None),
                ("mask", None),
            ) and path != "images/IMAGE/mask"
            if field == "enabled" or is_right or (field == "name" and isinstance(value, str) and value.strip()):
                continue
            damaged.append(json.dumps({**good, field: value}))
    for content in damaged:
        answer = client.request(method, address, content=content)
        assert 400 <= answer.status_code < 500, (content[:80], answer.text)
        assert_refused(answer, answer.status_code)
    assert client.get(STATE).json() == before
    assert_one_line(caplog, capfd)


@pytest.mark.parametrize(
    "mask",
    [
        "data:image/png;base64,",
        "data:image/jpeg;base64,AAAA",
        "https://example.com/a.png",
        "file:///etc/passwd",
        "data:image/png;base64," + b64encode(b"no image").decode(),
        "data:image/png;base64," + b64encode(png(np.zeros((5000, 5000), np.uint8))).decode(),
        "data:image/png;base64," + b64encode(png(np.zeros((40, 41), np.uint8))).decode(),
        MASK[:-200],
    ],
)
def test_masks_that_are_none_are_refused(client: httpx.Client, mask: str) -> None:
    for method, name in (("PUT", "mask"), ("POST", "click")):
        body = json.loads(filled(client, json.dumps({"revision": 1, "class": "CLASS", "clicks": [[1, 1, True]]})))
        answer = client.request(method, f"api/images/{filled(client, 'IMAGE')}/{name}", json={**body, "mask": mask})
        assert_refused(answer, 422)


@pytest.mark.parametrize("value", ["x" * (4 * 2**20), "data:image/png;base64," + "A" * (4 * 2**20)])
def test_huge_bodies_are_refused(client: httpx.Client, value: str) -> None:
    for method, path, body in BODIES:
        field = next(iter(body))
        assert_refused(client.request(method, f"api/{path}", json={**body, field: value}), 413)


@pytest.mark.parametrize(
    "record_id",
    ["i0-000000", "..", "%2e%2e%2fproject.json", "c1", "*", "a" * 5000, "%00", "%ff", "i1-000000'--", "\u202e"],
)
def test_wrong_ids_are_refused(client: httpx.Client, record_id: str) -> None:
    for method, path, body in (
        ("DELETE", f"images/{record_id}", None),
        ("GET", f"images/{record_id}/view", None),
        ("GET", f"images/{record_id}/thumbnail", None),
        ("GET", f"images/{record_id}/masks", None),
        ("POST", f"images/{record_id}/open", {}),
        ("POST", f"images/{record_id}/review", {"revision": 1, "verdict": "new"}),
        ("PATCH", f"classes/{record_id}", {"name": "other"}),
        ("DELETE", f"classes/{record_id}", None),
        ("DELETE", f"examples/{record_id}", None),
    ):
        answer = client.request(method, f"api/{path}", json=body)
        assert_refused(answer, answer.status_code)
        assert answer.status_code in (404, 405)
    body = {"image": record_id, "class": record_id, "revision": 1}
    assert_refused(client.post("api/examples", json=body), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "api/nothing", 404),
        ("GET", "api", 404),
        ("DELETE", "", 405),
        ("POST", STATE, 405),
        ("GET", "api/undo", 405),
        ("PUT", UPLOAD, 405),
        ("TRACE", "", 405),
        ("GET", "static/" + "a" * 5000, 404),
        ("GET", "api/events", 422),
        ("GET", "api/events?after=x", 422),
        ("GET", f"api/events?after={'9' * 5000}", 422),
        ("GET", "api/download?format=nothing", 422),
        ("GET", "api/download?format=../png", 422),
        ("POST", UPLOAD, 422),
    ],
)
def test_other_requests_are_refused_in_a_sentence(
    client: httpx.Client,
    method: str,
    path: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert_refused(client.request(method, path), status)
    assert_one_line(caplog, capfd)


@pytest.mark.parametrize(
    "path",
    [
        "static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "static/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "static/%2fetc%2fpasswd",
        "static/../server.py",
        "static/%00",
        "api/images/..%2f..%2f..%2fetc%2fpasswd/view",
        "api/images/../../etc/passwd/view",
    ],
)
def test_no_other_file_is_served(url: str, path: str) -> None:
    answer = send(url, f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in ("404", "410")
    assert "root:" not in answer
    assert "import" not in answer


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
    assert large == [{"name": "a.png", "reason": "The file is larger than 1 MB; scale it down first."}]
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
