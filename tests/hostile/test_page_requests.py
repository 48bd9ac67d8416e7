"""Hostile requests to the page: to other names, of other sites, without a login."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.routes import App

from tests.hostile.small_page import (
    CLIENT,
    FILE,
    HEADERS,
    JOIN,
    SECRET,
    UPLOAD,
    assert_headers,
    assert_refused,
    send,
    small_page,
)

PUBLIC = {  # what needs no login: the form of the login, and files of Gradio that are the same for everybody
    "/",
    "/login",
    "/login/",
    "/assets/{path:path}",
    "/static/{path:path}",
    "/svelte/{path:path}",
    "/theme.css",
    "/gradio_api/theme.css",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "192.0.2.1", "[", "a@localhost", "localhost:a"],
)
def test_other_names_are_refused(url: str, host: str) -> None:
    """Such requests come from a site whose name was made to lead to this machine."""
    assert_refused(CLIENT.get(f"{url}config", headers={"Host": host}), 421)
    assert_refused(CLIENT.get(f"{url}config", headers={"X-Forwarded-Host": host}), 421)
    assert_refused(CLIENT.options(f"{url}config", headers={"Host": host, "Access-Control-Request-Method": "POST"}), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]", "page.example.org"])
def test_own_names_are_served(url: str, host: str) -> None:
    assert CLIENT.get(f"{url}config", headers={"Host": host}).status_code == 200


def test_other_machines_use_the_address_or_a_name_of_the_server() -> None:
    with small_page(host="0.0.0.0") as url:
        for host in ("192.0.2.1:7860", "[2001:db8::1]", "localhost", socket.gethostname()):
            assert CLIENT.get(f"{url}config", headers={"Host": host}).status_code == 200
        assert_refused(CLIENT.get(f"{url}config", headers={"Host": "evil.example"}), 421)


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
def test_requests_of_other_sites_are_refused(url: str, headers: dict[str, str], uploads: Path) -> None:
    assert_refused(CLIENT.post(f"{url}{UPLOAD}", files=FILE, headers=headers), 403)
    assert_refused(CLIENT.post(f"{url}{JOIN}", json={"data": [0], "fn_index": 0}, headers=headers), 403)
    assert_refused(CLIENT.get(f"{url}config", headers=headers), 403)
    assert not list(uploads.rglob("*.txt"))


def test_requests_of_the_page_are_served(url: str) -> None:
    own = {"Origin": url.rstrip("/"), "Referer": url, "Sec-Fetch-Site": "same-origin"}
    proxy = {"Origin": "https://page.example.org", "Host": "page.example.org"}
    for headers in ({}, own, proxy, {**proxy, "Host": "127.0.0.1"}):
        assert CLIENT.post(f"{url}{UPLOAD}", files=FILE, headers=headers).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Referer": "https://other.example/"}
    assert CLIENT.get(url, headers=link).status_code == 200
    assert_refused(CLIENT.get(f"{url}logout", headers=link), 403)


def test_every_response_has_the_headers(url: str) -> None:
    for path in ("", "config", "theme.css", "nothing", "static/nothing"):
        assert_headers(CLIENT.get(f"{url}{path}"))
    answer = send(url, b"This is not HTTP.\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400")
    assert all(f"{name}: {value}".lower() in answer.lower() for name, value in HEADERS.items())


def addresses(routes: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Method and path of all routes, also of those that FastAPI keeps in a router of their own."""
    for route in routes:
        if hasattr(route, "path"):
            yield from ((method, route.path) for method in sorted(route.methods or {"GET"}))
        else:
            yield from addresses(route.original_router.routes)


def test_many_wrong_logins_wait() -> None:
    wrong = {"username": "anna", "password": "guessed"}
    with small_page(login=("anna", "secret")) as url:
        answers = [CLIENT.post(f"{url}{path}", data=wrong) for path in ("login", "login/", "login", "login", "login/")]
        assert [answer.status_code for answer in answers] == [400, 400, 400, 429, 429]
        assert_refused(CLIENT.post(f"{url}login", data={**wrong, "password": "secret"}), 429)
        assert CLIENT.get(url).status_code == 200


def test_everything_asks_for_the_login(uploads: Path) -> None:
    (uploads / "private.txt").write_text(SECRET)
    everything = set(addresses(App.create_app(gr.Blocks()).routes))
    assert len(everything) > 50
    assert {path for _, path in everything} >= PUBLIC
    with small_page(login=("anna", "secret")) as url, httpx.Client(base_url=url, verify=False) as client:
        for method, path in [one for one in everything if one[1] not in PUBLIC]:
            answer = client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, (method, path)
            assert SECRET not in answer.text
        assert_refused(client.get(f"gradio_api/file={uploads}/private.txt"), 401)
        assert_refused(client.get("not/an/address"), 401)
        form = client.get("/")
        assert "auth_required" in form.text
        assert SECRET not in form.text
        for path in ("theme.css", "manifest.json", "robots.txt", "favicon.ico"):
            assert SECRET not in client.get(path).text
        client.cookies.set("access-token-guessed", "None")
        assert_refused(client.get("config"), 401)
        assert client.post("login", data={"username": "anna", "password": "secret"}).status_code == 200
        assert SECRET in client.get("config").text
