"""The interface of the page: what each request changes and gives, without a browser."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdpnet.inference.class_files import load_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.formats import FORMATS
from cdpnet.labels.palette import colour_of
from cdpnet.web.limits import Limits
from tests.projects.making import NAMES, SIZE, draw_images, object_mask
from tests.web.client import User, data_url, drawn, png
from tests.web.serving import serve_in_thread

LARGE = (600, 2048)  # H, W of an image that is shown at half its size


@pytest.fixture(scope="module")
def url(segmenter: Segmenter) -> Iterator[str]:
    with serve_in_thread(segmenter, limits=replace(Limits(), images=8)) as served:
        yield served


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("drawn") / "images"
    draw_images(folder)
    return drawn(folder)


@pytest.fixture
def user(url: str) -> User:
    return User(url)


@pytest.fixture
def working(user: User, images: list[tuple[str, bytes]]) -> User:
    """A user with images and a class."""
    assert user.upload(*images) == []
    user.add_class("thing")
    return user


def the_class(user: User) -> str:
    return str(user.state["classes"][0]["id"])


def test_an_empty_project(user: User) -> None:
    state = user.state
    assert (state["project"], state["model"], state["images"], state["job"]) == (None, "The model is tiny.", [], None)
    assert state["limits"] == {
        "megabytes": 20,
        "megapixels": 24,
        "images": 8,
        "examples": 40,
        "name": 60,
        "endings": [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"],
    }
    assert state["settings"]["threshold"] == state["settings"]["own_threshold"]
    assert (state["undo"], state["redo"], state["gain"], state["order"]) == ("", "", None, [])


def test_one_bad_file_is_listed_and_the_others_go_in(user: User, images: list[tuple[str, bytes]]) -> None:
    refused = user.upload(
        images[0],
        ("notes.txt", b"text"),
        ("broken.png", b"text"),
        ("../../up.png", images[1][1]),
        ("a.jpg", images[1][1]),
        ("C:\\photos\\win.png", images[1][1]),
        ("large.png", png(np.zeros((5000, 5000), np.uint8))),
    )
    assert [image["name"] for image in user.state["images"]] == ["a.png", "up.png", "win.png"]
    assert [one["name"] for one in refused] == ["notes.txt", "broken.png", "a.jpg", "large.png"]
    for one, part in zip(
        refused, ("by its ending", "is not an image", "have one stem", "at most 24 million"), strict=True
    ):
        assert part in one["reason"]
        assert one["reason"].endswith(".")
    many = [(f"{number}.png", images[0][1]) for number in range(9)]
    answer = user.change("POST", "images", 413, files=[("files", file) for file in many])
    assert answer == "At most 8 images can be sent at a time; nothing was added."
    refused = user.upload(*many[:8])
    assert len(refused) == 3
    assert "The page takes 8 images at a time; for more, start it with --project" in refused[0]["reason"]


def test_samples(url: str) -> None:
    user = User(url)
    user.change("POST", "samples")
    names = [image["name"] for image in user.state["images"]]
    assert len(names) == 8  # as many as this page takes
    assert all(name.endswith(".png") for name in names)


def test_marking_correcting_teaching(working: User) -> None:
    class_id = the_class(working)
    one = working.state["classes"][0]
    assert (one["number"], one["colour"], one["examples"]) == (1, "#{:02x}{:02x}{:02x}".format(*colour_of(1)), 0)
    mask = object_mask(0)
    working.correct("a.png", class_id, mask)
    assert (working.picture("a.png", "masks") == mask).all()
    assert working.image("a.png")["state"] == "corrected"
    assert working.image("a.png")["classes"][class_id]["share"] == mask.mean()
    working.teach("a.png", class_id)
    assert working.image("a.png")["example"]
    others = [image for image in working.state["images"] if image["name"] != "a.png"]
    assert {image["state"] for image in others} <= {"found", "absent"}
    by_uncertainty = sorted(others, key=lambda image: -image["uncertainty"])
    assert working.state["order"] == [image["id"] for image in by_uncertainty]
    assert working.state["progress"]["left"] == 3
    working.correct("b.png", class_id, object_mask(1))
    working.teach("b.png", class_id)
    assert working.state["gain"]["class"] == class_id
    assert working.state["gain"]["of"] == 2
    example = working.state["examples"][0]
    working.change("PATCH", f"examples/{example['id']}", json={"enabled": False})
    working.wait()
    assert working.state["classes"][0]["examples"] == 1
    working.change("DELETE", f"examples/{example['id']}")
    assert len(working.state["examples"]) == 1


def test_clicks(working: User) -> None:
    class_id = the_class(working)
    assert working.client.post(f"images/{working.image('a.png')['id']}/open").status_code == 204
    mask = working.click("a.png", class_id, clicks=[[30, 40, True]])
    assert mask.shape == SIZE
    assert set(np.unique(mask)) == {0, 255}
    assert mask[30, 40] == 255
    boxed = working.click("a.png", class_id, box=[10, 20, 50, 60])
    assert boxed[:, 80:].max() == 0
    further = working.click("a.png", class_id, clicks=[[30, 40, True], [60, 90, False]], mask=data_url(mask > 0))
    assert further[60, 90] == 0


def test_verdicts_progress_and_steps(working: User) -> None:
    class_id = the_class(working)
    working.correct("a.png", class_id, object_mask(0))
    working.teach("a.png", class_id)
    b = working.image("b.png")
    for verdict in ("accepted", "rejected"):
        revision = working.image("b.png")["revision"]
        working.change("POST", f"images/{b['id']}/review", json={"revision": revision, "verdict": verdict})
        assert working.image("b.png")["state"] == verdict
    assert b["id"] not in working.state["order"]
    progress = working.state["progress"]
    assert (progress["accepted"], progress["rejected"], progress["corrected"], progress["left"]) == (0, 1, 1, 2)
    assert working.state["undo"] == "The verdict on b.png"
    working.change("POST", "undo")
    assert working.image("b.png")["state"] == "accepted"
    assert working.state["progress"]["unchanged_in_a_row"] == 1
    assert working.state["redo"] == "The verdict on b.png"
    working.change("POST", "redo")
    assert working.image("b.png")["state"] == "rejected"
    working.change("DELETE", f"images/{b['id']}")
    assert len(working.state["images"]) == 3
    working.change("POST", "undo")
    assert working.image("b.png")["state"] == "rejected"
    assert working.picture("b.png", "view").size


def test_an_older_revision_is_told_and_overwrites_nothing(working: User, url: str) -> None:
    class_id, image = the_class(working), working.image("a.png")
    other = User(url)
    other.client.cookies = working.client.cookies
    other.state = working.state
    working.correct("a.png", class_id, object_mask(0))
    stale = {"revision": image["revision"], "class": class_id, "mask": data_url(object_mask(2))}
    for method, path, body in (
        ("PUT", f"images/{image['id']}/mask", stale),
        ("POST", f"images/{image['id']}/review", {"revision": image["revision"], "verdict": "rejected"}),
        ("POST", "examples", {"image": image["id"], "class": class_id, "revision": image["revision"]}),
    ):
        sentence = other.change(method, path, 409, json=body)
        assert sentence == "a.png was changed meanwhile, in another window or by the network; look again."
    assert (working.picture("a.png", "masks") == object_mask(0)).all()


def test_settings(working: User) -> None:
    own = working.state["settings"]["own_threshold"]
    working.change("POST", "settings", json={"threshold": 0.9, "presence": False})
    assert working.state["settings"] == {"threshold": 0.9, "own_threshold": own, "presence": False}
    working.change("POST", "settings", json={"threshold": own})
    assert working.state["settings"]["threshold"] == own


def test_classes(working: User) -> None:
    class_id = the_class(working)
    working.change("PATCH", f"classes/{class_id}", json={"name": "renamed"})
    assert working.state["classes"][0]["name"] == "renamed"
    assert "There is a class 'renamed' already" in working.change("POST", "classes", 422, json={"name": "renamed"})
    working.change("DELETE", f"classes/{class_id}")
    assert working.state["classes"] == []


def test_a_large_image_is_shown_smaller_and_its_mask_enlarged(user: User) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*LARGE, 3), np.uint8)
    user.upload(("large.png", png(pixels)))
    class_id = user.add_class("thing")
    assert (user.image("large.png")["height"], user.image("large.png")["width"]) == LARGE
    assert user.picture("large.png", "view").shape == (300, 1024, 3)
    assert user.picture("large.png", "thumbnail?masks=1").shape == (47, 160, 3)
    mask = np.zeros((300, 1024), np.bool_)
    mask[100:200, 300:500] = True
    user.correct("large.png", class_id, mask)
    assert (user.picture("large.png", "masks") == mask).all()
    archive = zipfile.ZipFile(io.BytesIO(user.client.get("download").content))
    full = np.array(Image.open(archive.open("masks/large.png")))
    expected = np.zeros(LARGE, np.bool_)
    expected[200:400, 600:1000] = True
    assert full.shape == LARGE
    assert (full != expected).sum() <= 8  # the corners, which a smooth enlargement rounds


def test_a_mask_of_another_size_or_of_nothing_is_refused(working: User) -> None:
    image, class_id = working.image("a.png"), the_class(working)
    body: dict[str, Any] = {"revision": image["revision"], "class": class_id}
    path = f"images/{image['id']}/mask"
    small = working.change("PUT", path, 422, json={**body, "mask": data_url(np.ones((5, 5), np.bool_))})
    assert small == "The request cannot be used: mask is 5 x 5 pixels and the image is shown at 96 x 72."
    working.correct("a.png", class_id, np.ones(SIZE, np.bool_))
    image = working.image("a.png")
    example = {"image": image["id"], "class": class_id, "revision": image["revision"]}
    assert "covers the whole image" in working.change("POST", "examples", 422, json=example)
    assert working.state["examples"] == []


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_is_downloaded(working: User, format_name: str) -> None:
    sentence = working.client.get("download", params={"format": format_name})
    assert sentence.status_code == 422
    assert sentence.json()["detail"].startswith("There are no masks yet")
    for number, name in enumerate(NAMES[:2]):
        working.correct(name, the_class(working), object_mask(number))
    rejected = working.image("b.png")
    body = {"revision": rejected["revision"], "verdict": "rejected"}
    working.change("POST", f"images/{rejected['id']}/review", json=body)
    answer = working.client.get("download", params={"format": format_name})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="labels-{format_name}.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    files = {name: archive.read(name) for name in archive.namelist()}
    assert files
    shown = b"".join([*files.values(), *(name.encode() for name in files)])
    assert b"thing" in shown
    assert b"a.png" in shown or b"a.txt" in shown or b"a.json" in shown
    assert b"b.png" not in shown  # rejected


def test_objects_of_their_own_are_downloaded(working: User) -> None:
    mask = np.zeros(SIZE, np.bool_)
    mask[5:20, 5:20], mask[40:60, 50:80], mask[0, 0] = True, True, True  # the last one is a speck
    working.correct("a.png", the_class(working), mask)
    for rules, count in (({}, 1), ({"instances": 1}, 2), ({"instances": 1, "min_area": 1}, 3)):
        content = working.client.get("download", params={"format": "coco", **rules}).content
        annotations = json.loads(zipfile.ZipFile(io.BytesIO(content)).read("annotations.json"))["annotations"]
        assert len(annotations) == count
    for least in ("0", "-1", "1.5", "x", "²", "9" * 5000):
        sentence = working.change("GET", f"download?instances=1&min_area={least}", 422)
        assert "smallest object is not a whole number from 1 on" in sentence


def test_the_classes_are_downloaded(working: User, tmp_path: Path) -> None:
    assert working.client.get("classes.zip").json()["detail"].startswith("No class has been learned yet")
    working.correct("a.png", the_class(working), object_mask(0))
    working.teach("a.png", the_class(working))
    archive = zipfile.ZipFile(io.BytesIO(working.client.get("classes.zip").content))
    files = ["01 thing.safetensors", "examples/01 thing 1.png", "examples/01 thing 1_mask.png"]
    assert sorted(archive.namelist()) == files
    archive.extractall(tmp_path)
    assert load_class(tmp_path / "01 thing.safetensors").name == "thing"


def test_pictures_are_cached_by_their_revision_only(working: User) -> None:
    path = f"images/{working.image('a.png')['id']}/view"
    assert working.client.get(path).headers["cache-control"] == "no-store"
    assert "immutable" in working.client.get(path, params={"v": 1}).headers["cache-control"]


def test_users_do_not_see_each_other(working: User, url: str) -> None:
    other = User(url)
    assert other.state["images"] == []
    answer = other.client.get(f"images/{working.image('a.png')['id']}/view")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no such image (any more); it was removed in another window."
    stranger = User(url)
    stranger.client.cookies.clear()
    assert "session of this page has ended" in stranger.change("POST", "undo", 410)
