"""Hostile requests to the page: malformed, half sent, too large."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import httpx
import numpy as np
import pytest

from tests.hostile.small_page import (
    STATE,
    UPLOAD,
    SmallPage,
    assert_one_line,
    assert_refused,
    new_client,
    picture,
    send,
)
from tests.web.client import data_url, png

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
NAN, HALF = float("nan"), "\ud800"
WRONG: tuple[Any, ...] = (None, [], {}, -1, 1.5, "x", "", NAN, True, [[]], HALF, "data:image/png;base64,!", 10**400)


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
            if field == "enabled" or is_right or (field == "name" and value in ("x", "data:image/png;base64,!")):
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
        ("GET", f"examples/{record_id}/thumbnail", None),
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
        ("GET", "api/download?instances=2", 422),
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
