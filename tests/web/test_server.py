"""The server: who can reach it, what it refuses, many users at once, and a project that outlives it."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import httpx
import numpy as np
import psutil
import pytest

from cdpnet.cli import main
from cdpnet.cli.web import about_model
from cdpnet.errors import ConfigError, DataError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.address import Address
from cdpnet.web.limits import Limits
from cdpnet.web.server import serve
from tests.cli.running import run
from tests.projects.making import NAMES, draw_images, object_mask
from tests.web.client import User, drawn, png
from tests.web.serving import COMMAND, ServerProcess, serve_in_process, serve_in_thread, wait_until

IMAGES = 12  # that a user segments at last
ROUNDS = 4  # in all of which memory grows only where it is kept; in one it may for other reasons
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
        (("--project", ""), "--project is empty; give the folder of the project."),
        (("--model", "tiny", "--project", __file__), "test_server.py is a file; give the folder of a project."),
        (
            ("--model", "tiny", "--project", str(Path(__file__).parent)),
            "is no project and not empty; give a new folder",
        ),
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


def test_it_listens_on_this_machine_only(server: ServerProcess) -> None:
    listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
    assert listening
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.parametrize(("users", "requests"), [(3, 6), pytest.param(10, 20, marks=pytest.mark.slow)])
def test_many_users_at_once(server: ServerProcess, users: int, requests: int) -> None:
    """Each has a class and images of its own; afterwards the server's memory is what it was before."""

    def use_page(number: int, requests: int) -> list[str]:
        image, name = png(np.full((128, 128, 3), 20 * number, np.uint8)), f"image-{number}.png"
        mask = np.zeros((128, 128), np.bool_)
        mask[30:90, 40:100] = True
        user = User(server.url)
        user.upload((name, image))
        class_id = user.add_class(f"thing {number}")
        for _ in range(requests - 4):
            user.correct(name, class_id, mask)
        user.upload(*[(f"copy-{number}-{i}.png", image) for i in range(IMAGES)])
        user.teach(name, class_id)
        user.picture(name, "view")
        return [one["name"] for kind in ("classes", "images") for one in user.state[kind]]

    def use_at_once(requests: int) -> list[list[str]]:
        with ThreadPoolExecutor(users) as pool:
            return list(pool.map(use_page, range(users), [requests] * users))

    process = psutil.Process(server.pid)
    use_at_once(6)  # what is allocated once, is allocated now
    _wait_for_end_of_sessions(server)
    held = users * IMAGES * 3 * 640 * 640  # bytes of images at view size
    for _ in range(ROUNDS):
        before = process.memory_info().rss
        for number, names in enumerate(use_at_once(requests)):
            copies = [f"copy-{number}-{i}.png" for i in range(IMAGES)]
            assert names == [f"thing {number}", f"image-{number}.png", *copies]
        _wait_for_end_of_sessions(server)
        with suppress(AssertionError):
            wait_until(lambda: process.memory_info().rss - before < held / 2, "", timeout=5)  # noqa: B023 - called at once
            return
    pytest.fail("the memory of ended sessions is kept")


def _wait_for_end_of_sessions(server: ServerProcess) -> None:
    wait_until(lambda: not list(server.temporary.glob("cdpnet-*/*/session-*")), "sessions of closed pages are kept")


def test_pictures_that_a_killed_server_left_are_removed(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "cdpnet-killed"
    (left / "files" / "session-a").mkdir(parents=True)
    (left / "lock").touch()
    os.utime(left, (0, 0))
    with serve_in_thread(segmenter):
        assert not left.exists()
    assert not list(tmp_path.iterdir())


def test_a_project_outlives_a_killed_server(tmp_path: Path, segmenter: Segmenter) -> None:
    """Another server shows everything that a person did, and does the rest."""
    draw_images(tmp_path / "project" / "images")
    arguments = ("--project", str(tmp_path / "project"))
    with pytest.raises(AssertionError), serve_in_process(tmp_path / "temporary", *arguments) as process:
        user = User(process.url)
        assert user.state["project"] == "project"
        class_id = user.add_class("thing")
        user.correct("a.png", class_id, object_mask(0))
        image = user.image("a.png")
        user.change("POST", "examples", json={"image": image["id"], "class": class_id, "revision": image["revision"]})
        os.kill(process.pid, signal.SIGKILL)
    with serve_in_thread(segmenter, project=tmp_path / "project") as url:
        again = User(url)
        assert [image["id"] for image in again.state["images"]] == [image["id"] for image in user.state["images"]]
        assert again.image("a.png")["state"] == "corrected"
        assert (again.picture("a.png", "masks") == object_mask(0)).all()
        assert [one["enabled"] for one in again.state["examples"]] == [True]
        again.wait()
        assert {image["state"] for image in again.state["images"]} <= {"corrected", "found", "absent"}
        other = User(url)  # another browser sees the same project
        assert other.state["revision"] == again.state["revision"]
        with pytest.raises(DataError, match="project is in use: another cdpnet command is writing to it; wait"):
            serve(segmenter, "", Address("127.0.0.1", 1, None), Limits(), print, Event(), tmp_path / "project")


def test_the_page_and_the_command_finish_each_others_work(tmp_path: Path, segmenter: Segmenter) -> None:
    project = tmp_path / "project"
    draw_images(tmp_path / "images")
    with serve_in_thread(segmenter, project=project) as url:
        user = User(url)
        assert user.upload(*drawn(tmp_path / "images")[:3]) == []
        class_id = user.add_class("thing")
        user.correct("a.png", class_id, object_mask(0))
        user.teach("a.png", class_id)
        user.correct("b.png", class_id, object_mask(2))
        in_use = run("label", "--project", project, "--model", "tiny")
        assert (in_use.returncode, "is in use" in in_use.stderr) == (2, True)
    masks = project / "labels" / "masks"
    found = (masks / "c.png").read_bytes()
    (project / "images" / "d.png").write_bytes(drawn(tmp_path / "images")[3][1])  # somebody adds a picture by hand
    finished = run("label", "--project", project, "--model", "tiny")
    assert finished.returncode == 0, finished.stderr
    assert f"2 images are labelled and 2 left as a person settled them; see {project / 'labels'}" in finished.stdout
    assert (masks / "c.png").read_bytes() == found
    with serve_in_thread(segmenter, project=project) as url:
        user = User(url)
        assert [image["name"] for image in user.state["images"]] == list(NAMES)
        assert user.state["job"] is None
        assert user.image("d.png")["state"] in ("found", "absent")
        assert (user.picture("b.png", "masks") == object_mask(2)).all()
    (project / "images" / "d.png").unlink()
    finished = run("label", "--project", project, "--model", "tiny")
    assert finished.returncode == 1
    assert "not labelled: d.png: d.png is no longer in the folder of images" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--project", "nowhere"), "There is no folder nowhere; give the folder of a project"),
        (("--project", "empty"), "empty has no example of a class yet; `cdpnet web --project empty` takes them."),
        (("images", "--project", "empty"), "FOLDER does not go with --project: the project has its own folders"),
        (
            ("--project", "empty", "--threshold", "0.5"),
            "--threshold does not go with --project: the project has its own",
        ),
        (("--project", "empty", "--format", "coco"), "--format coco needs --out with --project"),
        ((), "label needs FOLDER: a folder of images, classes and --out, or --project."),
        (("images",), "label needs --out: a folder of images"),
        (("images", "--out", "o"), "There is no class to label; give --classes FILE"),
        (("--project", "empty", "--instances"), "--instances needs --out with --project"),
    ],
)
def test_refusals_of_label(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "empty").mkdir()
    shown = run("label", *arguments, "--model", "tiny", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    (line,) = shown.stderr.strip().splitlines()
    assert message in line


def test_without_the_extra_the_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cdpnet.runtime.extras.find_spec", lambda _: None)
    assert main(["web", "--model", "tiny"]) == 2
    sentence = "cdpnet web needs starlette, which comes with the extra web: pip install 'cdpnet[web]'."
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("photo", "The model photo looks for the objects. It is made for photographs."),
        ("tiny", "The model tiny looks for the objects. It knows rendered icons, and "),
        ("networks/mine", "The model resnet50 cdpn looks for the objects."),
    ],
)
def test_the_page_says_what_the_model_is_for(model: str, said: str) -> None:
    assert about_model(model, "resnet50 cdpn").startswith(said)


def test_the_page_needs_no_gradio(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    with serve_in_thread(segmenter) as url:
        assert httpx.get(f"{url}api/state").status_code == 200
