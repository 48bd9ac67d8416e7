"""Hostile requests to the page: to other names, of other sites, without a login."""

from __future__ import annotations

import socket
from base64 import b64encode

import httpx
import pytest

from cdpnet.inference.segmenter import Segmenter
from tests.hostile.small_page import (
    CLIENT,
    HEADERS,
    STATE,
    UPLOAD,
    SmallPage,
    assert_headers,
    assert_refused,
    new_client,
    picture,
    send,
    small_page,
)

LOGIN = ("anna", "secret")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "192.0.2.1", "[", "a@localhost", "localhost:a"],
)
def test_other_names_are_refused(url: str, host: str) -> None:
    """Such requests come from a site whose name was made to lead to this machine."""
    assert_refused(CLIENT.get(f"{url}{STATE}", headers={"Host": host}), 421)
    assert_refused(CLIENT.get(f"{url}{STATE}", headers={"X-Forwarded-Host": host}), 421)
    assert_refused(
        CLIENT.options(f"{url}{STATE}", headers={"Host": host, "Access-Control-Request-Method": "POST"}), 421
    )


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]", "page.example.org"])
def test_own_names_are_served(url: str, host: str) -> None:
    assert CLIENT.get(f"{url}{STATE}", headers={"Host": host}).status_code == 200


def test_other_machines_use_the_address_or_a_name_of_the_server(segmenter: Segmenter) -> None:
    with small_page(segmenter, host="0.0.0.0") as page:
        for host in ("192.0.2.1:7860", "[2001:db8::1]", "localhost", socket.gethostname()):
            assert CLIENT.get(f"{page.url}{STATE}", headers={"Host": host}).status_code == 200
        assert_refused(CLIENT.get(f"{page.url}{STATE}", headers={"Host": "evil.example"}), 421)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},  # another program of this machine
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Referer": "https://evil.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_requests_of_other_sites_are_refused(served: SmallPage, headers: dict[str, str]) -> None:
    client, before = new_client(served.url), served.files()
    for request in (
        client.build_request("POST", UPLOAD, files=picture(), headers=headers),
        client.build_request("POST", "api/classes", json={"name": "thing"}, headers=headers),
    ):
        assert send(served.url, as_bytes(request)).startswith("HTTP/1.1 403")
    assert_refused(client.get(STATE, headers=headers), 403)
    assert served.files() == before
    assert client.get(STATE).json()["classes"] == []


def as_bytes(request: httpx.Request) -> bytes:
    """A request in one piece; who sends its body later may find the connection closed before the answer is read."""
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.read()


def test_requests_of_the_page_are_served(url: str) -> None:
    own = {"Origin": url.rstrip("/"), "Referer": url, "Sec-Fetch-Site": "same-origin"}
    proxy = {"Origin": "https://page.example.org", "Host": "page.example.org"}
    for headers in ({}, own, proxy, {**proxy, "Host": "127.0.0.1"}):
        assert new_client(url).post("api/classes", json={"name": "thing"}, headers=headers).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Referer": "https://other.example/"}
    assert CLIENT.get(url, headers=link).status_code in (200, 404)  # without the files of the page
    assert_refused(CLIENT.get(f"{url}{STATE}", headers=link), 403)


def test_every_response_has_the_headers(url: str) -> None:
    for path in ("", STATE, "static/nothing", "nothing", "api/images/x/view"):
        assert_headers(CLIENT.get(f"{url}{path}"))
    answer = send(url, b"This is not HTTP.\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400")
    assert all(f"{name}: {value}".lower() in answer.lower() for name, value in HEADERS.items())


def test_the_key_of_a_session_is_out_of_reach_of_scripts_and_other_sites(url: str) -> None:
    client = httpx.Client(verify=False)
    cookie = client.get(f"{url}{STATE}").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert len(client.cookies["session"]) >= 40
    assert "set-cookie" not in client.get(f"{url}{STATE}").headers


@pytest.mark.parametrize("key", ["", "guess", "../..", "a" * 5000])
def test_a_guessed_key_is_no_session(served: SmallPage, key: str) -> None:
    answer = CLIENT.post(f"{served.url}api/undo", headers={"cookie": f"session={key}"})
    assert_refused(answer, 410)


def addresses(page: SmallPage) -> list[tuple[str, str]]:
    """Method and path of everything that the page answers, and of what it does not."""
    routes = [(method, route.path) for route in page.api.routes() for method in route.methods or ()]
    return [*routes, ("GET", "/"), ("GET", "/static/main.js"), ("GET", "/nothing"), ("GET", "/favicon.ico")]


def test_everything_asks_for_the_login(segmenter: Segmenter) -> None:
    with small_page(segmenter, login=LOGIN) as page, httpx.Client(base_url=page.url, verify=False) as client:
        assert len(addresses(page)) > 30
        for method, path in addresses(page):
            answer = client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, (method, path)
            assert_headers(answer)
            assert answer.headers["www-authenticate"] == 'Basic realm="cdpnet", charset="UTF-8"'
        assert not list(page.folder.iterdir())  # no session was made
        inside = new_client(page.url, auth=LOGIN)
        assert inside.post("api/classes", json={"name": "thing"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Basic " + b64encode(b"anna:wrong").decode(),
        "Basic " + b64encode(b"anna:secret ").decode(),
        "Basic " + b64encode(b"anna").decode(),
        "Basic not base64",
        "Basic",
        "Bearer secret",
        "Digest username=anna",
        "\xff",
        "Basic " + "A" * 10_000,
    ],
)
def test_a_wrong_login_is_refused(segmenter: Segmenter, header: str) -> None:
    with small_page(segmenter, login=LOGIN) as page:
        answer = CLIENT.get(f"{page.url}{STATE}", headers={b"authorization": header.encode("latin-1")})
        assert_refused(answer, 401)


def test_passwords_cannot_be_tried_one_after_the_other(segmenter: Segmenter) -> None:
    with small_page(segmenter, login=LOGIN) as page:
        for number in range(5):
            assert_refused(CLIENT.get(f"{page.url}{STATE}", auth=("anna", str(number))), 401)
        for password in ("another", LOGIN[1]):
            answer = CLIENT.get(f"{page.url}{STATE}", auth=("anna", password))
            assert_refused(answer, 429)
            assert answer.headers["retry-after"] == "60"
