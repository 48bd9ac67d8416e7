"""Bad input: a sentence and a status of 4xx, whatever is sent; and what the command refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cdpnet.cli import main
from cdpnet.errors import DataError
from cdpnet.inference.segmenter import Segmenter
from tests.backend.studio import BRUSH, SMALL, Studio, annotation, brush, keypoint, serve_in_thread, task
from tests.projects.making import draw_images, object_mask

HALF, NAN = "\ud800", float("nan")
WRONG: tuple[Any, ...] = (
    None,
    [],
    {},
    -1,
    1.5,
    "x",
    "",
    NAN,
    True,
    [[]],
    HALF,
    10**400,
    [HALF],
    {"a": HALF},
    "\x1b[2J",
)
RIGHT: dict[str, dict[str, Any]] = {
    "setup": {"project": "1.2", "schema": BRUSH},
    "predict": {"tasks": [task(0)], "label_config": BRUSH, "params": {"context": {"result": [keypoint(50, 50)]}}},
    "webhook": {
        "action": "ANNOTATION_CREATED",
        "annotation": annotation(0, brush(object_mask(0))),
        "task": task(0),
        "project": {"label_config": BRUSH},
    },
    "webhook?": {
        "action": "ANNOTATIONS_CREATED",
        "annotation": [annotation(0)],
        "task": [task(0)],
        "project": {"label_config": BRUSH},
    },
    "webhook?deleted": {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 5}]},
}


@pytest.fixture(scope="module")
def studio(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("backend")
    draw_images(folder / "images")
    with serve_in_thread(segmenter, folder / "project", folder / "images", limits=SMALL) as url:
        yield Studio(url)


def damaged(value: Any) -> Iterator[Any]:
    """Copies of a value in which one part is wrong or missing."""
    if isinstance(value, dict):
        for key in value:
            yield {other: one for other, one in value.items() if other != key}
            yield from ({**value, key: part} for part in damaged(value[key]))
    elif isinstance(value, list) and len(value) < 10:
        for at, entry in enumerate(value):
            yield from ([*value[:at], part, *value[at + 1 :]] for part in damaged(entry))
    yield from Random(str(value)[:50]).sample(WRONG, 2)


@pytest.mark.parametrize("path", RIGHT)
def test_damaged_requests_are_refused_in_a_sentence(
    studio: Studio, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    for body in damaged(RIGHT[path]):
        answer = studio.client.post(path, content=json.dumps(body))
        assert answer.status_code in (200, 201, 422, 400), (body, answer.text)
        if answer.status_code >= 400:
            sentence = answer.json()["detail"]
            assert sentence.endswith("."), sentence
            assert "\n" not in sentence
            assert "object has no attribute" not in sentence
    assert "failed" not in caplog.text
    assert "\x1b" not in caplog.text
    assert studio.client.post(path, content=json.dumps(RIGHT[path])).status_code < 300


@pytest.mark.parametrize("body", ["", "[", "[]", "5", "null", "{", "[" * 100_000, '{"a": ' * 5000, "9" * 5000, "\x00"])
def test_what_is_no_json_is_refused(studio: Studio, body: str) -> None:
    for path in ("setup", "predict", "webhook"):
        answer = studio.client.post(path, content=body)
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("setup", {"schema": "<View>"}, "The labelling configuration is not complete XML (line 1, column 7)"),
        ("setup", {"schema": "<View/>"}, "no control BrushLabels or PolygonLabels or RectangleLabels, to which masks"),
        ("predict", {"tasks": []}, "tasks is empty"),
        ("predict", {"tasks": [{"id": 5, "data": {"image": "a.png"}}]}, "task 5 has no 'picture' in its data"),
        ("predict", {"tasks": [task(0), task(1)]}, "the marks of one object come with 2 tasks"),
        ("predict", {"params": {"context": {"result": [keypoint(50, 101)]}}}, "y is 101, and a place in the image is"),
        (
            "predict",
            {"params": {"context": {"result": [keypoint(50, 50, label="cat")]}}},
            "'cat' is no label of the control 'tag', which has thing, other  thing",
        ),
        (
            "predict",
            {"params": {"context": {"result": [keypoint(50, 50), keypoint(1, 1, label="other  thing")]}}},
            "the marks of an object have no label, or several; choose one before the click",
        ),
        (
            "predict",
            {"params": {"context": {"result": [keypoint(50, 50, positive=False)]}}},
            "There is no click on the object",
        ),
        (
            "predict",
            {"params": {"context": {"result": [brush(object_mask(0))]}}},
            "a mark is of kind 'brushlabels', and masks are made from keypoints and rectangles",
        ),
        ("webhook", {"annotation": None}, "annotation is not an object with keys"),
        (
            "webhook",
            {"annotation": annotation(0, {**brush(object_mask(0)), "original_width": 90})},
            "region 1 ('thing') of annotation 100 is for an image of 90 x 72 pixels and a.png has 96 x 72",
        ),
        (
            "webhook",
            {"annotation": annotation(0, {**brush(object_mask(0)), "from_name": "other"})},
            "annotation 100 has no region of the control 'tag'",
        ),
        (
            "webhook",
            {"task": task(0, "gone.png")},
            "is gone.png; give --images, or --url to fetch it from Label Studio",
        ),
    ],
)
def test_sentences(studio: Studio, path: str, change: dict[str, Any], message: str) -> None:
    assert message in studio.post(path, {**deepcopy(RIGHT[path]), **change}, 422)


def test_a_webhook_without_payload_says_what_to_switch_on(studio: Studio) -> None:
    sentence = studio.post("webhook", {"action": "ANNOTATION_CREATED", "project": {"label_config": BRUSH}}, 422)
    assert "annotation is missing; switch on the payload of the webhook in Label Studio" in sentence


def test_a_backend_that_was_never_set_up_asks_for_the_configuration(segmenter: Segmenter, tmp_path: Path) -> None:
    with serve_in_thread(segmenter, tmp_path / "project") as url:
        sentence = Studio(url).post("predict", {"tasks": [task(0)]}, 422)
    assert "label_config is missing, and no project was set up before" in sentence


def test_other_addresses_and_methods(studio: Studio) -> None:
    assert studio.client.get("predict").status_code == 405
    assert studio.client.get("versions").json() == {"detail": "There is nothing at this address."}
    assert studio.client.post("delete").status_code == 404


def test_other_names_and_sites_are_refused(studio: Studio) -> None:
    for headers, status in (
        ({"host": "evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ):
        assert studio.client.get("health", headers=headers).status_code == status


def test_a_login_protects_every_address(segmenter: Segmenter, tmp_path: Path) -> None:
    with serve_in_thread(segmenter, tmp_path / "project", login=("anna", "secret")) as url:
        for path in ("health", "setup", "none"):
            assert Studio(url).client.get(path).status_code == 401
        assert Studio(url, auth=("anna", "secret")).client.get("health").status_code == 200


def test_damaged_and_newer_records_are_refused(segmenter: Segmenter, tmp_path: Path) -> None:
    draw_images(tmp_path / "project" / "images")
    right = {"format": 1, "config": "", "images": {}, "annotations": {}}
    for record, message in (
        ("{", "is not complete JSON"),
        (json.dumps({**right, "format": 2}), "has the format 2 of a newer version"),
        ("[]", "is damaged; put a copy of it in its place"),
        *((json.dumps({**right, key: 5}), "is damaged") for key in ("config", "images", "annotations")),
        (json.dumps({**right, "annotations": {"1": {"image": 5}}}), "is damaged"),
    ):
        (tmp_path / "project" / "label_studio.json").write_text(record)
        with (
            pytest.raises((AssertionError, DataError), match=message),
            serve_in_thread(segmenter, tmp_path / "project"),
        ):
            pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "serve needs --label-studio, the only program that it serves"),
        (("--label-studio",), "serve needs --project FOLDER, in which the work is kept."),
        (("--label-studio", "--project", "p", "--url", "localhost:8080"), "--url takes the address of Label Studio"),
        (("--label-studio", "--project", "p", "--url", "file:///etc"), "--url takes the address of Label Studio"),
        (("--label-studio", "--project", "p", "--url", "http://a:b@c"), "--url takes the address of Label Studio"),
        (("--label-studio", "--project", "p", "--model", "tiny", "--images", "none"), "There is no folder none"),
        (("--label-studio", "--project", __file__, "--model", "tiny"), "is a file; give the folder of a project."),
        (("--label-studio", "--project", "p", "--host", "0.0.0.0"), "lets other machines in; give --user"),
    ],
)
def test_refusals_of_the_command(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.strip().splitlines()) == 1
    assert not (tmp_path / "p").exists()
