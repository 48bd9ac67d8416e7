"""The server: who can reach it, what it refuses, and many users at once, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from cdpnet.cli import main
from cdpnet.errors import ConfigError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.address import Address
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples
from cdpnet.web.server import serve
from tests.web.serving import COMMAND, ServerProcess, serve_in_process, serve_in_thread, wait_until

IMAGES = 12  # that a user segments at last
GRACE = 2.0  # seconds until the session of a closed page ends
SHORT_GRACE = f"""
from dataclasses import replace
from cdpnet.web import limits, server
server._CLEAN_UP = 0.5
usual = limits.Limits
limits.Limits = lambda: replace(usual(), grace={GRACE})
{COMMAND}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serve_in_process(tmp_path_factory.mktemp("web") / "temporary", code=SHORT_GRACE) as process:
        yield process


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--host", "0.0.0.0"), "--host 0.0.0.0 lets other machines in; give --user name:password, or --no-login"),
        (("--user", "anna"), "--user takes name:password, such as anna:a-long-password."),
        (("--allow-host", "https://a.example"), "--allow-host takes a name such as page.example.org, without port"),
        (("--port", "many"), "--port takes a whole number, not many"),
        (("--port", "70000"), "--port is a number from 1 to 65535, not 70000."),
        (("--model", "clip-vit-b16"), "clip"),
    ],
)
def test_refusals_of_the_command(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web", *arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.strip().splitlines()) == 1


def test_a_port_in_use_is_refused(server: ServerProcess, segmenter: Segmenter) -> None:
    port = int(server.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"Port {port} on 127.0.0.1 cannot be used"):
        serve(segmenter, "", Address("127.0.0.1", port, None), Limits(), lambda _: None, Event())


def test_a_login_keeps_others_out(segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("private")
    with serve_in_thread(segmenter, host="0.0.0.0", login=("anna", "secret")) as address:
        url = address.replace("0.0.0.0", "127.0.0.1").rstrip("/")
        assert httpx.get(f"{url}/config").status_code == 401
        assert httpx.get(f"{url}/gradio_api/file={tmp_path}/file.txt").status_code == 401
        assert httpx.post(f"{url}/login", data={"username": "anna", "password": "wrong"}).status_code == 400
        with httpx.Client() as client:
            assert client.post(f"{url}/login", data={"username": "anna", "password": "secret"}).status_code == 200
            assert client.get(f"{url}/config").status_code == 200


def test_it_listens_on_this_machine_only(server: ServerProcess) -> None:
    listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_it_fetches_nothing_from_other_machines(server: ServerProcess) -> None:
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
    for content, status in (("[" * 200_000, 403), (" " * (2**20 + 1), 413)):  # nested too deep, too large
        answer = httpx.post(f"{api}/queue/join", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == status


def test_handlers_cannot_be_called_outside_the_queue(server: ServerProcess) -> None:
    for path in ("run/segment_images", "run/use_samples", "api/segment_images"):
        assert httpx.post(f"{server.url}gradio_api/{path}", json={"data": [True]}).status_code >= 400


class User:
    """The requests of an opened page, sent without a browser."""

    def __init__(self, server: ServerProcess) -> None:
        self.client = Client(server.url, verbose=False)

    def call(self, handler: str, *inputs: Any) -> Any:
        return self.client.predict(*inputs, api_name=f"/{handler}")

    def add_example(self, image: Path, mask: Path, name: str) -> str:
        """The text of the note."""
        self.call("open_upload", handle_file(str(image)))
        note, *_ = self.call("add_example", name, None, handle_file(str(mask)))
        return str(_value(note))

    def segment(self, *images: Path) -> tuple[str, list[dict[str, Any]]]:
        """The text of the note, and the results."""
        note = str(_value(self.call("upload_images", [handle_file(str(path)) for path in images])[0]))
        if "bad" in note:
            return note, []
        self.call("segment_images", True)
        shown, results, _ = self.call("show_results", 0.32, "Masks", None)
        return str(_value(shown)), _value(results)

    def close(self) -> None:
        self.client.close()


def _value(answer: Any) -> Any:
    return answer["value"] if isinstance(answer, dict) and "value" in answer else answer


def test_the_server_checks_what_the_browser_checks(server: ServerProcess, samples: Samples, tmp_path: Path) -> None:
    user = User(server)
    Image.new("L", (8000, 5000)).save(tmp_path / "large.png")
    (tmp_path / "notes.png").write_text("This is not an image.")
    (tmp_path / "scene-01.jpg").write_bytes(samples.query[0].read_bytes())
    for files, message in (
        ([tmp_path / "large.png"], "large.png has 8000 x 5000 pixels; at most 24 million are read"),
        ([tmp_path / "notes.png"], "notes.png is not an image that can be read"),
        ([samples.query[0]] * 49, "49 images are too many for the page, which takes 48 at a time"),
        ([samples.query[0], tmp_path / "scene-01.jpg"], "scene-01.png and scene-01.jpg have one stem"),
    ):
        note, results = user.segment(*files)
        assert message in note
        assert str(server.temporary) not in note
        assert not results
    _, results = user.segment(samples.query[0])
    assert len(results) == 1
    user.close()


@pytest.mark.parametrize(("users", "requests"), [(3, 6), pytest.param(10, 20, marks=pytest.mark.slow)])
def test_many_users_at_once(server: ServerProcess, tmp_path: Path, users: int, requests: int) -> None:
    """Each has a class and images of its own; afterwards the server's memory is what it was before."""

    def use_page(number: int, requests: int) -> list[str]:
        image, mask = _draw_object(tmp_path / f"user-{number}", number)
        user = User(server)
        notes = [user.add_example(image, mask, f"thing {number}")]
        for _ in range((requests - 4) // 2):
            note, results = user.segment(image)
            notes += [note, *(one["caption"] for one in results)]
        copies = [image.with_name(f"copy-{number}-{i}.png") for i in range(IMAGES)]
        for copy in copies:
            copy.write_bytes(image.read_bytes())
        user.segment(*copies)  # enough to be seen in the memory of the server, if it were kept
        user.close()
        return notes

    def use_at_once(requests: int) -> list[list[str]]:
        with ThreadPoolExecutor(users) as pool:
            return list(pool.map(use_page, range(users), [requests] * users))

    process = psutil.Process(server.pid)
    use_at_once(6)  # what is allocated once, is allocated now
    _wait_for_end_of_sessions(server)
    before = process.memory_info().rss
    for number, notes in enumerate(use_at_once(requests)):
        assert notes[0].count(f"thing {number}: learned from 1 example.") == 1
        assert len(notes) == 1 + requests - 4
        others = [f"thing {other}" for other in range(users) if other != number]
        assert not [line for line in notes if any(name in line for name in others)]
        assert all(f"image-{number}.png" in caption for caption in notes[2::2])
        assert all("1 image: thing" in note for note in notes[1::2])
    _wait_for_end_of_sessions(server)
    held = users * IMAGES * 3 * 640 * 640  # bytes of images at view size
    wait_until(lambda: process.memory_info().rss - before < held / 2, "the memory of ended sessions is kept")


def _draw_object(folder: Path, number: int) -> tuple[Path, Path]:
    """The files of an image with an object in a colour of its own, and of its mask."""
    folder.mkdir(exist_ok=True)
    mask = np.zeros((128, 128), np.uint8)
    mask[30:90, 40:100] = 255
    image = np.full((128, 128, 3), 25 * number, np.uint8)
    image[mask > 0] = (255 - 20 * number, 20 * number, 128)
    files = folder / f"image-{number}.png", folder / "mask.png"
    for array, file in zip((image, mask), files, strict=True):
        Image.fromarray(array).save(file)
    return files


def _wait_for_end_of_sessions(server: ServerProcess) -> None:
    wait_until(lambda: not list(server.temporary.glob("cdpnet-web-*/session-*")), "sessions of closed pages are kept")


def test_a_session_ends_with_its_page(server: ServerProcess, samples: Samples) -> None:
    user = User(server)
    user.segment(samples.query[0])
    assert list(server.temporary.glob("cdpnet-web-*/session-*"))
    user.close()
    _wait_for_end_of_sessions(server)


def test_the_interface_is_not_published(server: ServerProcess) -> None:
    published = json.loads(httpx.get(f"{server.url}gradio_api/info").text)
    assert published["named_endpoints"] == {}
