"""Hostile requests to the page: of other sites, without a login, malformed, half sent. A small page stands for ours."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.routes import App

from cdpnet.web.address import Address
from cdpnet.web.application import make_application
from cdpnet.web.blocks import PageBlocks
from cdpnet.web.http_server import serving
from cdpnet.web.limits import Limits
from tests.processes import free_port
from tests.web.serving import TIMEOUT

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


@pytest.fixture(scope="module", autouse=True)
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of uploads, as the server sets it."""
    folder = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        yield folder


@contextmanager
def small_page(*, patience: float = TIMEOUT, **address: Any) -> Iterator[str]:
    """Serve a page with one event, which takes a number; gives its URL."""
    with PageBlocks(analytics_enabled=False) as page:
        gr.Markdown(SECRET)
        number = gr.Slider(0, 1)
        number.change(lambda value: value + 1, number, number)
    served = Address(**{"host": "127.0.0.1", "port": free_port(), "login": None, **address})
    limits = replace(Limits(), patience=patience, images=1, megabytes=1)
    with serving(make_application(page, served, limits), served, patience) as url:
        yield url
        page.close(verbose=False)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with small_page(names=("page.example.org",)) as url:
        yield url


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


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "192.0.2.1", "["])
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
