"""Every kind of export that Label Studio writes is read right, or refused in plain words; see test_kinds_shapes.py."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io.outlines import TOO_SHORT
from cdpnet.labels import labelstudio_reader
from cdpnet.labels.examples import read_examples
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.reading_options import Merge, ReadingOptions
from tests.cli.running import run
from tests.labels.shape_files import (
    SIZE,
    Record,
    annotation,
    brush,
    ellipse,
    labelme,
    mask_shape,
    polygon,
    rectangle,
    result,
    task,
    write,
)

BOX = rectangle(10, 10, 20, 10)  # 200 pixels
OTHER = rectangle(20, 10, 20, 10)  # 200, half of them in BOX
CHOICES: Record = {
    "id": "c",
    "type": "choices",
    "from_name": "quality",
    "to_name": "image",
    "value": {"choices": ["good"]},
}
TEXT: Record = {"id": "t", "type": "textarea", "from_name": "note", "to_name": "image", "value": {"text": ["a note"]}}
PLACE = {key: value for key, value in BOX["value"].items() if key != "rectanglelabels"}  # type: ignore[attr-defined]
POINT = result({"x": 5, "y": 5, "width": 0.5, "keypointlabels": ["cat"]}, "keypointlabels")
OLD, NEW = "2024-01-01T00:00:00Z", "2024-03-01T00:00:00+01:00"


def painted(side: int = 0) -> Record:
    """A bitmask: an image with the first 10 rows opaque."""
    pixels = np.zeros((*SIZE, 4), np.uint8)
    pixels[:10] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels[: side or None]).save(buffer, "PNG")
    address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return result({"imageDataURL": address, "bitmasklabels": ["cat"]}, "bitmasklabels")


def minimal(*values: Record, **more: object) -> Record:
    """An entry of JSON-MIN."""
    sides = {"original_width": SIZE[1], "original_height": SIZE[0]}
    regions = [{**value["value"], **sides} for value in values]  # type: ignore[dict-item]
    entry = {"id": 7, "image": "/data/upload/1/a.png", "label": regions, "choice": "good", "annotator": 1}
    return entry | {"annotation_id": 3, "created_at": OLD, "updated_at": OLD, "lead_time": 3.5} | more


READ: dict[str, tuple[list[Record] | Record, int]] = {
    "one task, as storages get it": (task(annotation(BOX)), 200),
    "one annotation with its task": ({**annotation(BOX), "task": {"id": 7, "data": {"image": "gs://b/a.png"}}}, 200),
    "rectangle": ([task(annotation(BOX))], 200),
    "rectangle turned by 90 degrees about its corner": ([task(annotation(rectangle(30, 10, 20, 10, turned=90)))], 200),
    "rectangle turned by 45 degrees": ([task(annotation(rectangle(30, 10, 200**0.5, 200**0.5, turned=45)))], 200),
    "rectangle over the last corner": ([task(annotation(rectangle(50, 40, 100, 100)))], 100),
    "ellipse": ([task(annotation(ellipse(30, 25, 10, 5)))], 2 * (20 + 20 + 18 + 14 + 8)),
    "ellipse turned by 90 degrees": ([task(annotation(ellipse(30, 25, 10, 5, turned=90)))], 160),
    "ellipse over the first corner": ([task(annotation(ellipse(0, 0, 10, 5)))], 40),
    "polygon": ([task(annotation(polygon([[40, 30], [50, 30], [50, 40], [40, 40]])))], 100),
    "polygon far out": ([task(annotation(polygon([[-(10**9), 30], [50, 30], [50, 40], [-(10**9), 40]])))], 500),
    "brush": ([task(annotation(brush(3, 7)))], 4 * 60),
    "rectangle on an image shown turned": ([task(annotation({**BOX, "image_rotation": 90}))], 200),
    "turned rectangle on an image shown turned": (
        [task(annotation({**rectangle(30, 10, 20, 10, turned=90), "image_rotation": 270}))],
        200,
    ),
    "ellipse on an image shown turned": ([task(annotation({**ellipse(30, 25, 10, 5), "image_rotation": 90}))], 160),
    "brush on an image shown turned": ([task(annotation({**brush(3, 7), "image_rotation": 180}))], 4 * 60),
    "bitmask": ([task(annotation(painted()))], 10 * 60),
    "all kinds together": ([task(annotation(BOX, brush(40, 42), polygon([[0, 0], [9, 0], [9, 9], [0, 9]])))], 401),
    "choices and text before the region": ([task(annotation(CHOICES, TEXT, BOX))], 200),
    "a rating of the region": (
        [task(annotation(BOX, {**BOX, "type": "rating", "value": {**PLACE, "rating": 4}}))],
        200,
    ),
    "a relation": ([task(annotation(BOX, {"type": "relation", "from_id": "a", "to_id": "b"}))], 200),
    "two labels": ([task(annotation(rectangle(10, 10, 20, 10, "dog", "cat")))], 200),
    "labels of their own": (
        [task(annotation(result(PLACE, "rectangle", id="r"), result({**PLACE, "labels": ["cat"]}, "labels", id="r")))],
        200,
    ),
    "labels before the brush": (
        [
            task(
                annotation(
                    result({"labels": ["cat"]}, "labels", id="b"),
                    result({"format": "rle", "rle": brush(0, 9)["value"]["rle"]}, "brush", id="b"),  # type: ignore[index]
                )
            )
        ],
        9 * 60,
    ),
    "two points of an outline beside a region": ([task(annotation(polygon([[1, 2], [3, 4]]), BOX))], 200),
    "points beside a region": ([task(annotation(POINT, BOX))], 200),
    "no sizes": ([task(annotation({**BOX, "original_width": None, "original_height": None}))], 200),
    "cancelled": ([task(annotation(OTHER, was_cancelled=True, at=NEW), annotation(BOX, at=OLD))], 200),
    "only predictions": ([task(predictions=[{"model_version": "a", "result": [BOX]}])], 200),
    "predictions and an annotation": ([task(annotation(BOX), predictions=[{"result": [OTHER]}])], 200),
    "completions of old versions": ([{**task(), "annotations": None, "completions": [annotation(BOX)]}], 200),
    "image under another key": (
        [{**task(annotation(BOX)), "data": {"who": "me", "photo": "s3://x/a.png"}}],
        200,
    ),
    "JSON-MIN": ([minimal(BOX)], 200),
    "JSON-MIN by two": ([minimal(BOX, updated_at=NEW), minimal(brush(0, 1), annotator=2)], 200),
}
REFUSED = {
    "ids only": (
        [task(5, 6)],
        "a.json: task 7 lists its annotations by number only; export them with their content, as JSON",
    ),
    "points only": ([task(annotation(POINT))], "no label 'cat': .*; regions of kind keypointlabels are left out"),
    "no labels": ([task(annotation(result(PLACE, "rectangle")))], "regions without a label are left out"),
    "not finite": (
        [task(annotation(BOX, ellipse(float("nan"), 2, 3, 3)))],
        r"region 2 \('cat'\) of task 7: x is not a finite number",
    ),
    "two points": ([task(annotation(polygon([[1, 2], [3, 4]])))], rf"no label 'cat': .*; {TOO_SHORT} \(1\)"),
    "bitmask of another size": ([task(annotation(painted(20)))], "imageDataURL has 60 x 20 pixels for 60 x 50"),
    "image of another size": ([task(annotation({**BOX, "original_width": 61}))], "is for an image of 61 x 50 pixels"),
    "two sizes": ([task(annotation(brush(0, 1), {**BOX, "original_width": 61}))], r"region 2 .* of another size"),
}
VOTES = [
    annotation(BOX, by={"id": 1, "email": "ann@example.org"}, at=OLD),
    annotation(OTHER, by=2, at=NEW),
    annotation(rectangle(25, 10, 5, 10), by=3, at=OLD),
]


@pytest.mark.parametrize("kind", READ)
def test_an_export_is_read(kind: str, tmp_path: Path) -> None:
    content, pixels = READ[kind]
    image, path = write(tmp_path, "a.json", json.dumps(content))
    (example,) = read_examples(image, path, "cat")
    assert np.count_nonzero(np.asarray(example.mask)) == pixels


@pytest.mark.parametrize("kind", REFUSED)
def test_an_export_is_refused(kind: str, tmp_path: Path) -> None:
    content, sentence = REFUSED[kind]
    image, path = write(tmp_path, "a.json", json.dumps(content))
    with pytest.raises(DataError, match=sentence) as refused:
        read_examples(image, path, "cat")
    assert "a.json" in str(refused.value)


@pytest.mark.parametrize(
    ("merge", "annotator", "left", "pixels"),
    [
        ("newest", "", 20, 200),  # of annotator 2
        ("newest", "1", 10, 200),
        ("newest", "Ann@Example.org", 10, 200),
        ("union", "", 10, 300),
        ("majority", "", 20, 100),  # columns 20 to 29 have two votes or three
        ("union", "3", 25, 50),
    ],
)
def test_several_annotators(merge: Merge, annotator: str, left: int, pixels: int, tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.json", json.dumps([task(*VOTES)]))
    file = labelstudio_reader.read(json.loads(path.read_text()), path, ReadingOptions(annotator=annotator, merge=merge))
    mask = file.tasks[0].read_mask(image, "cat")
    assert (np.argwhere(mask)[:, 1].min(), mask.sum()) == (left, pixels)
    several = merge == "newest" and not annotator
    assert file.notes == ((Note("of several annotations of a task the newest is read"),) if several else ())


def test_an_annotator_votes_once(tmp_path: Path) -> None:
    _, path = write(tmp_path, "a.json", "")
    twice = [task(VOTES[0], annotation(OTHER, by=2, at=OLD), VOTES[1])]
    (found,) = labelstudio_reader.read(json.loads(json.dumps(twice)), path, ReadingOptions(merge="majority")).tasks
    assert len(found.votes) == 2


def test_an_unknown_annotator_is_refused_with_those_of_the_file(tmp_path: Path) -> None:
    _, path = write(tmp_path, "a.json", "")
    with pytest.raises(DataError, match=r"no annotation by 9; its annotators are 1, ann@example\.org, 2, 3"):
        labelstudio_reader.read(json.loads(json.dumps([task(*VOTES)])), path, ReadingOptions(annotator="9"))


def test_labels_of_all_classes_are_read(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.json", "")
    content = json.loads(json.dumps([task(annotation(rectangle(10, 10, 20, 10, "dog", "cat"), brush(0, 2)))]))
    (found,) = labelstudio_reader.read(content, path).tasks
    labels = found.read(image)
    assert [region.label for region in labels.regions] == ["dog", "cat", "cat"]
    assert [labels.area(region) for region in labels.regions] == [200, 200, 120]


@pytest.mark.parametrize(
    ("content", "n_labelled"),
    [
        (task(annotation()), 1),  # of a person who found nothing
        (task(annotation(CHOICES)), 1),
        (task(predictions=[{"result": []}]), 1),
        (task(), 0),
        (task(annotation(was_cancelled=True)), 0),
        (task(predictions=[]), 0),
    ],
)
def test_an_annotation_without_a_region_counts(content: Record, n_labelled: int, tmp_path: Path) -> None:
    _, path = write(tmp_path, "a.json", "")
    tasks = labelstudio_reader.read(json.loads(json.dumps([content])), path).tasks
    assert [one.class_names for one in tasks] == [()] * n_labelled


def test_a_file_of_labelme_is_still_one(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.json", labelme(mask_shape(0, 0)))
    (example,) = read_examples(image, path, "cat")
    assert np.asarray(example.mask).sum() == 100


def test_the_command_takes_an_annotator(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.json", json.dumps([task(*VOTES)]))
    learn = [
        "learn",
        "--model",
        "tiny",
        "--name",
        "cat",
        "--support",
        f"{image}:{path}",
        "--out",
        f"{tmp_path}/c.safetensors",
    ]
    shown = run(*learn, "--annotator", "9", "--merge", "union")
    assert shown.returncode == 2
    assert "a.json has no annotation by 9; its annotators are 1, ann@example.org, 2, 3." in shown.stderr


@pytest.mark.parametrize(
    ("turned", "x", "y", "width", "height"),
    [
        (90, 10.110974106041924, 10.11097410604191, 24.7842170160296, 19.728729963008632),
        (180, 10.11097410604191, 10.172626387176306, 24.784217016029608, 19.72872996300864),
    ],
)
def test_what_label_studio_exports_from_a_turned_image(
    turned: int, x: float, y: float, width: float, height: float, tmp_path: Path
) -> None:
    """The values of 1.23.2 for a box drawn around rows 20..60, columns 40..140 of an image 400 wide and 200 high."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": ["cat"]}
    region = result(value, "rectanglelabels") | {
        "original_width": 400,
        "original_height": 200,
        "image_rotation": turned,
    }
    Image.new("RGB", (400, 200)).save(tmp_path / "a.png")
    export = tmp_path / "a.json"
    export.write_text(json.dumps([task(annotation(region))]))
    (example,) = read_examples(tmp_path / "a.png", export, "cat")
    rows, columns = np.nonzero(example.mask == 1)
    assert np.abs(np.array([rows.min() - 20, rows.max() - 59, columns.min() - 40, columns.max() - 139])).max() <= 1
