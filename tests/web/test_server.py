"""The server: whom it lets in, what it refuses, and many visitors at once. No browser is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from cdpnet.web.samples import Samples, render_samples
from tests.cli.running import run
from tests.web.serving import Served, served

VISITORS, REQUESTS, IMAGES = 10, 20, 12
GRACE = 2.0  # seconds that a session which is over is kept
HURRIED = f"""
import sys
from dataclasses import replace
from cdpnet.cli import main
from cdpnet.web import limits
usual = limits.Limits
limits.Limits = lambda: replace(usual(), grace={GRACE})
sys.exit(main(['web', *sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web") / "temporary", code=HURRIED) as one:
        yield one


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return render_samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "0.0.0.0"), "--host 0.0.0.0 lets other machines in; give --user name:password, or --no-login"),
        (("--user", "anna"), "--user takes name:password, such as anna:a-long-password."),
        (("--port", "many"), "--port takes a whole number, not many"),
        (("--port", "70000"), "--port is a number from 1 to 65535, not 70000."),
        (("--model", "clip-vit-b16"), "clip"),
    ],
)
def test_refusals_of_the_command(arguments: tuple[str, ...], words: str) -> None:
    shown = run("web", *arguments)
    assert shown.returncode == 2
    assert words in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1


def test_a_port_that_is_taken(server: Served) -> None:
    port = server.url.rstrip("/").rpartition(":")[2]
    shown = run("web", "--port", port)
    assert shown.returncode == 2
    assert f"Port {port} on 127.0.0.1 cannot be used" in shown.stderr


def test_a_login_keeps_others_out(tmp_path: Path) -> None:
    with served(tmp_path / "temporary", "--host", "0.0.0.0", "--user", "anna:secret") as one:
        url = one.url.replace("0.0.0.0", "127.0.0.1").rstrip("/")
        assert httpx.get(f"{url}/config").status_code == 401
        assert httpx.get(f"{url}/gradio_api/file={tmp_path}/server.log").status_code == 401
        assert httpx.post(f"{url}/login", data={"username": "anna", "password": "wrong"}).status_code == 400
        with httpx.Client() as client:
            assert client.post(f"{url}/login", data={"username": "anna", "password": "secret"}).status_code == 200
            assert client.get(f"{url}/config").status_code == 200


def test_it_listens_on_this_machine_alone(server: Served) -> None:
    listening = [c.laddr.ip for c in psutil.Process(server.process).net_connections() if c.status == "LISTEN"]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_it_fetches_nothing(server: Served) -> None:
    api = f"{server.url}gradio_api"
    for path in ("file=https://example.com/a.png", "file/http://example.com/a.png", "proxy=https://example.com/a"):
        assert httpx.get(f"{api}/{path}").status_code == 403
    file = {"path": "https://example.com/a.png", "meta": {"_type": "gradio.FileData"}}
    answer = httpx.post(f"{api}/queue/join", json={"data": [file], "fn_index": 0, "session_hash": "one"})
    assert answer.status_code == 403
    assert answer.json()["detail"].endswith(".")
    body = json.dumps({"data": [file], "fn_index": 0, "session_hash": "one"})
    kinds = (
        [("content-type", "application/JSON")],
        [("content-type", "application/json"), ("content-type", "text/plain")],
    )
    for headers in (*kinds, []):
        assert httpx.post(f"{api}/queue/join", content=body, headers=headers).status_code == 403
    for other in ("[" * 200_000, " " * (2**20 + 1)):  # what no page sends: nested too deep, too large
        answer = httpx.post(f"{api}/queue/join", content=other, headers={"content-type": "application/json"})
        assert answer.status_code == 403


def test_nobody_steps_around_the_queue(server: Served) -> None:
    for path in ("run/look", "run/choose_samples", "api/look"):
        assert httpx.post(f"{server.url}gradio_api/{path}", json={"data": [True]}).status_code >= 400


class Visitor:
    """A page without a browser: the requests that it would send."""

    def __init__(self, server: Served) -> None:
        self.client = Client(server.url, verbose=False)

    def ask(self, what: str, *inputs: Any) -> Any:
        return self.client.predict(*inputs, api_name=f"/{what}")

    def teach(self, image: Path, mask: Path, name: str) -> str:
        self.ask("open_upload", handle_file(str(image)))
        said, *_ = self.ask("add", name, None, handle_file(str(mask)))
        return str(_value(said))

    def look_at(self, *images: Path) -> tuple[str, list[dict[str, Any]]]:
        """The line below the images, and the results."""
        said = _value(self.ask("choose_files", [handle_file(str(path)) for path in images])[0])
        if "bad" in str(said):
            return str(said), []
        self.ask("look", True)
        note, results, _ = self.ask("show", 0.32, "Masks", None)
        return str(_value(note)), _value(results)


def _value(answer: Any) -> Any:
    return answer["value"] if isinstance(answer, dict) and "value" in answer else answer


def test_what_the_browser_lets_through_is_refused_here(server: Served, samples: Samples, tmp_path: Path) -> None:
    visitor = Visitor(server)
    Image.new("L", (8000, 5000)).save(tmp_path / "large.png")
    (tmp_path / "notes.png").write_text("This is not an image.")
    (tmp_path / "scene-01.jpg").write_bytes(samples.look[0].read_bytes())
    for files, words in (
        ([tmp_path / "large.png"], "large.png has 8000 x 5000 pixels; at most 24 million are read"),
        ([tmp_path / "notes.png"], "notes.png is not an image that can be read"),
        ([samples.look[0]] * 49, "49 images are too many for the page, which takes 48 at a time"),
        ([samples.look[0], tmp_path / "scene-01.jpg"], "scene-01.png and scene-01.jpg have one stem"),
    ):
        said, results = visitor.look_at(*files)
        assert words in said
        assert str(server.temporary) not in said
        assert not results
    said, results = visitor.look_at(samples.look[0])
    assert len(results) == 1
    visitor.client.close()


def test_ten_visitors_at_once(server: Served, tmp_path: Path) -> None:
    """Each has images and a class that nobody else has; 20 requests each, and then all is gone."""

    def visit(number: int, requests: int) -> list[str]:
        folder = tmp_path / f"visitor-{number}"
        folder.mkdir(exist_ok=True)
        mask = np.zeros((128, 128), np.uint8)
        mask[30:90, 40:100] = 255
        image = np.full((128, 128, 3), 25 * number, np.uint8)
        image[mask > 0] = (255 - 20 * number, 20 * number, 128)
        Image.fromarray(mask).save(folder / "mask.png")
        Image.fromarray(image).save(folder / f"image-{number}.png")
        copies = [folder / f"copy-{number}-{i}.png" for i in range(IMAGES)]
        visitor, said = Visitor(server), []
        said.append(visitor.teach(folder / f"image-{number}.png", folder / "mask.png", f"thing {number}"))
        for _ in range((requests - 4) // 2):
            note, results = visitor.look_at(folder / f"image-{number}.png")
            said += [note, *(one["caption"] for one in results)]
        for copy in copies:
            Image.fromarray(image).save(copy)
        visitor.look_at(*copies)  # so much that it would be seen, were it kept
        visitor.client.close()
        return said

    def everybody(requests: int) -> list[list[str]]:
        with ThreadPoolExecutor(VISITORS) as pool:
            return list(pool.map(visit, range(VISITORS), [requests] * VISITORS))

    process = psutil.Process(server.process)
    everybody(6)  # what is made once, is made now
    before = _settled(server, process)
    answers = everybody(REQUESTS)
    for number, said in enumerate(answers):
        assert said[0].count(f"thing {number}: learned from 1 example.") == 1
        assert len(said) == 1 + REQUESTS - 4
        others = [f"thing {other}" for other in range(VISITORS) if other != number]
        assert not [line for line in said if any(name in line for name in others)]
        assert all(f"image-{number}.png" in caption for caption in said[2::2])
        assert all("1 image: thing" in note for note in said[1::2])
    after = _settled(server, process)
    print(f"kept after {VISITORS * REQUESTS} requests: {(after - before) / 2**20:.1f} MiB")
    held = VISITORS * IMAGES * 3 * 640 * 640  # bytes of images at the size of the screen
    assert after - before < held / 2, f"{(after - before) / 2**20:.0f} MiB are kept"


def _settled(server: Served, process: psutil.Process) -> int:
    """Resident bytes of the server, once no session is left."""
    for _ in range(300):
        if not list(server.temporary.glob("cdpnet-web-*/session-*")):
            time.sleep(1)  # the memory is given back right after
            return int(process.memory_info().rss)
        time.sleep(0.1)
    raise AssertionError("sessions are kept although their pages are closed")


def test_the_classes_of_a_session_are_gone_with_it(server: Served, samples: Samples) -> None:
    visitor = Visitor(server)
    visitor.look_at(samples.look[0])
    assert list(server.temporary.glob("cdpnet-web-*/session-*"))
    visitor.client.close()
    _settled(server, psutil.Process(server.process))


def test_no_request_of_a_stranger_is_listed(server: Served) -> None:
    describe_network = json.loads(httpx.get(f"{server.url}gradio_api/info").text)
    assert describe_network["named_endpoints"] == {}
