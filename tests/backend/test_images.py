"""The images of tasks: found in folders, fetched from the Label Studio that was named, and from nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cdpnet.backend.host import LabelStudioHost
from cdpnet.inference.segmenter import Segmenter
from cdpnet.projects.project import Project
from tests.backend.studio import SMALL, Studio, file_server, serve_in_thread, task
from tests.projects.making import draw_images, image_of, object_mask

UPLOAD = "/data/upload/1/ab12cd34-a.png"
LOCAL = "/data/local-files/?d=far/b.png"
LEGACY, PERSONAL = ("abc", "Token abc"), ("a.b.c", "Bearer d.e.f")


@pytest.fixture
def files(images: Path) -> dict[str, bytes]:
    """What Label Studio serves, by path."""
    return {
        UPLOAD: (images / "a.png").read_bytes(),
        LOCAL: (images / "b.png").read_bytes(),
        "/data/upload/1/text.png": b"no image",
        "/data/upload/1/large.png": bytes(SMALL.megabytes * 10**6 + 1),
        "/data/upload/1/away.png": b"-> http://127.0.0.1:1/secret.png",
        "/data/upload/1/inside.png": b"-> " + UPLOAD.encode(),
        "/api/projects/x.png": (images / "a.png").read_bytes(),
    }


@pytest.fixture
def label_studio(files: dict[str, bytes]) -> Iterator[str]:
    with file_server(files, LEGACY[1]) as url:
        yield url


@pytest.fixture
def fetching(segmenter: Segmenter, tmp_path: Path, label_studio: str) -> Iterator[Studio]:
    """A backend that knows images from Label Studio only."""
    host = LabelStudioHost(label_studio, LEGACY[0])
    with serve_in_thread(segmenter, tmp_path / "project", None, host, limits=SMALL) as url:
        yield Studio(url)


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("/data/local-files/?d=images/a.png", "a.png"),
        ("/data/local-files/?d=deep%2Fa.png", "deep/a.png"),
        (UPLOAD, "a.png"),
        (r"C:\images\a.png", "a.png"),
        ("file:///home/me/deep/a.png", "deep/a.png"),
        ("https://images.example.org/deep/a.png?size=5", "deep/a.png"),
        ("s3://bucket/deep/a.png", "deep/a.png"),
    ],
)
def test_the_longest_common_tail_finds_the_image(
    segmenter: Segmenter, tmp_path: Path, images: Path, address: str, file: str
) -> None:
    (images / "deep").mkdir()
    shutil.copy(images / "b.png", images / "deep" / "a.png")
    with serve_in_thread(segmenter, tmp_path / "project", images) as url:
        sentence = Studio(url).predict(task(0, address), status=422 if address == UPLOAD else 200)
        if address == UPLOAD:  # nothing says which of the two it is
            assert "a.png may be" in sentence
            return
    kept = tmp_path / "project" / "images"
    assert [path.relative_to(kept).as_posix() for path in kept.rglob("*.png")] == [file]
    assert (kept / file).read_bytes() == (images / file).read_bytes()


def test_images_of_the_project_need_no_folder(segmenter: Segmenter, tmp_path: Path) -> None:
    draw_images(tmp_path / "project" / "images")
    with serve_in_thread(segmenter, tmp_path / "project") as url:
        Studio(url).annotate(0)
        assert Studio(url).mask(1).any()
        assert "is b.png" not in Studio(url).predict(task(9, "other.png"), status=422)


def test_two_tasks_never_share_an_image_by_its_name_alone(segmenter: Segmenter, tmp_path: Path, images: Path) -> None:
    one, other = (task(n, f"/data/upload/1/{prefix}-a.png") for n, prefix in enumerate(("ab12cd34", "cd34ef56")))
    with serve_in_thread(segmenter, tmp_path / "project", images) as url:
        assert "may all be" in Studio(url).predict(one, other, status=422)
        Studio(url).predict(one)
        assert "may all be" in Studio(url).predict(other, status=422)


def test_one_missing_image_costs_only_its_own_task(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    studio.annotate(0)
    first, missing, second = studio.predict(1, task(8, "gone.png"), 2)
    assert first["result"]
    assert second["result"]
    assert missing == []
    assert "task 8 gets no prediction: No file in" in caplog.text


@pytest.mark.parametrize(("token", "header"), [LEGACY, PERSONAL, ("", "")])
def test_images_are_fetched_with_the_token(
    segmenter: Segmenter, tmp_path: Path, files: dict[str, bytes], token: str, header: str
) -> None:
    with file_server(files, header) as label_studio:
        host = LabelStudioHost(label_studio, token)
        with serve_in_thread(segmenter, tmp_path / "project", None, host) as url:
            studio = Studio(url)
            studio.predict(task(0, UPLOAD), task(1, LOCAL), task(2, f"{label_studio}{UPLOAD}"))
    project = Project(tmp_path / "project")
    assert [image.file for image in project.document.images.values()] == ["upload/1/ab12cd34-a.png", "far/b.png"]
    kept = project.image_path(image_of(project, "upload/1/ab12cd34-a.png"))
    assert kept.read_bytes() == files[UPLOAD]


def test_a_fetched_image_is_taught(fetching: Studio, tmp_path: Path) -> None:
    fetching.webhook(
        "ANNOTATION_CREATED",
        annotation={"id": 5, "result": []},
        task=task(0, UPLOAD),
    )
    project = Project(tmp_path / "project")
    assert image_of(project, "upload/1/ab12cd34-a.png").edited
    assert not np.any(project.mask(image_of(project, "upload/1/ab12cd34-a.png")) & object_mask(0))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://169.254.169.254/data/upload/a.png", "is on a host that --url does not name"),
        ("http://127.0.0.1:1/data/upload/a.png", "is on a host that --url does not name"),
        ("//127.0.0.1/data/a.png", "is on a host that --url does not name"),
        ("/data/upload/1/none.png", r"does not give /data/upload/1/none.png \(status 404\)"),
        ("/data/upload/1/text.png", "upload/1/text.png is not an image that can be read"),
        ("/data/upload/1/large.png", "/data/upload/1/large.png has more than 1 MB"),
        ("/data/upload/1/away.png", "leads away from .*, which is not followed"),
        ("/data/upload/1/inside.png", "leads away from .*, which is not followed"),
        ("/api/projects/x.png", "No file in .* is /api/projects/x.png"),
        ("/data/../api/projects/x.png", "No file in .* is /data/../api/projects/x.png"),
        ("/data/local-files/?d=../../etc/passwd.png", "No file in"),
        ("/data/upload/1/notes.txt", "upload/1/notes.txt is not an image by its ending"),
        ("/data/upload/1/\u00e4 b.png", "does not give"),
        ("file:///etc/passwd", "No file in"),
        ("/etc/passwd", "No file in"),
        ("", "No file in"),
        ("http://[::1/a.png", "The image of a task is not found: the address of an image is not an address."),
    ],
)
def test_other_addresses_are_refused(fetching: Studio, tmp_path: Path, address: str, message: str) -> None:
    body = {"id": 1, "data": {"picture": address}}
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(fetching.predict(body, status=422))
    assert not list((tmp_path / "project" / "images").rglob("*.*"))


def test_a_wrong_token_and_a_host_that_is_not_there(segmenter: Segmenter, tmp_path: Path, label_studio: str) -> None:
    for url, token, message in (
        (
            label_studio,
            "wrong",
            "gives no access to /data/upload/1/ab12cd34-a.png (status 401); set CDPNET_LABEL_STUDIO",
        ),
        (label_studio, "x.y.z", "gives no access to /api/token/refresh"),
        ("http://127.0.0.1:1", "", "cannot be fetched from http://127.0.0.1:1; check that Label Studio runs there"),
    ):
        with serve_in_thread(segmenter, tmp_path / "project", None, LabelStudioHost(url, token)) as backend:
            assert message in Studio(backend).predict(task(0, UPLOAD), status=422)
