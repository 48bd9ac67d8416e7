"""The protocol: setup, predictions, clicks, and what annotations teach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.brush import decode_mask
from cdpnet.labels.regions import ImageLabels, region_from_outlines
from cdpnet.projects.project import Project
from cdpnet.runtime.metrics import mask_iou
from tests.backend.studio import (
    POLYGON,
    RECTANGLE,
    Studio,
    annotation,
    brush,
    keypoint,
    serve_in_thread,
    task,
)
from tests.cli.running import run
from tests.projects.making import SIZE, image_of, object_mask

HALF = object_mask(1) & (np.arange(SIZE[1]) < 48)


def enabled(project: Path) -> int:
    """How many examples a project has on the disk."""
    return len(json.loads((project / "project.json").read_text())["examples"])


def test_health_and_setup(studio: Studio) -> None:
    assert studio.client.get("health").json()["status"] == "UP"
    assert studio.client.get("").json()["status"] == "UP"
    assert studio.set_up() == "cdpnet"
    studio.annotate(0)
    taught = studio.set_up()
    assert taught.startswith("cdpnet-")
    studio.annotate(1)
    assert studio.set_up() not in ("cdpnet", taught)


def test_nothing_is_predicted_before_something_is_taught(studio: Studio) -> None:
    assert studio.predict(0, 1) == [[], []]


def test_predictions_are_the_masks_of_the_project(studio: Studio, tmp_path: Path) -> None:
    assert studio.annotate(0) == {"learned": ["thing"], "left_out": []}
    first, second = studio.predict(0, 1)
    assert first["model_version"] == second["model_version"] == studio.set_up()
    assert np.array_equal(studio.mask(0), object_mask(0))  # a person's
    assert first["score"] == first["result"][0]["score"] == 1
    (result,) = second["result"]
    assert {key: result[key] for key in ("type", "from_name", "to_name", "image_rotation")} == {
        "type": "brushlabels",
        "from_name": "tag",
        "to_name": "photo",
        "image_rotation": 0,
    }
    assert (result["original_height"], result["original_width"]) == SIZE
    assert 0 < second["score"] == result["score"] < 1
    assert mask_iou(studio.mask(1), object_mask(1)) > 0.8
    assert not (tmp_path / "project" / "images" / "c.png").exists()  # only what was asked for


def test_labels_keep_their_spaces(studio: Studio) -> None:
    studio.annotate(0, brush(object_mask(0), "other  thing"))
    (prediction,) = studio.predict(1)
    assert prediction["result"][0]["value"]["brushlabels"] == ["other  thing"]


def test_only_labels_of_the_control_are_predicted(studio: Studio) -> None:
    studio.annotate(0)
    studio.config = studio.config.replace("thing", "crack")
    (prediction,) = studio.predict(1)
    assert prediction["result"] == []


def test_a_project_goes_on_after_a_restart_and_in_other_commands(
    segmenter: Segmenter, tmp_path: Path, images: Path
) -> None:
    project = tmp_path / "project"
    with serve_in_thread(segmenter, project, images) as url:
        Studio(url).annotate(0)
        mask, version = Studio(url).mask(1), Studio(url).set_up()
    with serve_in_thread(segmenter, project, images) as url:
        studio = Studio(url)
        body = {"tasks": [task(1)]}  # of no configuration, so that of the setup is used
        answer = studio.post("predict", body, 200)
        assert answer["model_version"] == version
        assert np.array_equal(decode_mask(answer["results"][0]["result"][0]["value"]["rle"], SIZE), mask)
        assert run("label", "--project", project, "--model", "tiny").returncode == 2  # one program at a time
        studio.predict(2)
    done = run("label", "--project", project, "--model", "tiny")
    assert "2 images are labelled and 1 left as a person settled them" in done.stdout, done.stderr
    opened = Project(project)
    assert np.array_equal(opened.mask(image_of(opened, "b.png")) > 0, mask)


def test_an_annotation_is_replaced_and_removed(studio: Studio, tmp_path: Path) -> None:
    project = tmp_path / "project"
    studio.annotate(0)
    before = studio.mask(2)
    studio.annotate(1, brush(HALF))
    assert enabled(project) == 2
    assert np.array_equal(studio.mask(1), HALF)
    studio.annotate(1, action="ANNOTATION_UPDATED")
    assert enabled(project) == 2
    assert np.array_equal(studio.mask(1), object_mask(1))
    studio.webhook("ANNOTATIONS_DELETED", annotations=[{"id": 101}, {"id": 999}])
    assert enabled(project) == 1
    assert np.array_equal(studio.mask(2), before)
    assert studio.predict(1)[0]["score"] < 1  # the network's again
    studio.webhook("ANNOTATIONS_DELETED", annotations=[{"id": 100}])
    assert studio.predict(0, 1) == [[], []]


def test_a_skipped_task_takes_its_annotation_away(studio: Studio, tmp_path: Path) -> None:
    studio.annotate(0)
    skipped = annotation(0, was_cancelled=True)
    studio.webhook("ANNOTATION_UPDATED", annotation=skipped, task=task(0))
    assert enabled(tmp_path / "project") == 0


def test_the_newest_annotation_of_an_image_counts(studio: Studio, tmp_path: Path) -> None:
    studio.annotate(0, brush(HALF))
    studio.webhook("ANNOTATION_CREATED", annotation={**annotation(0, brush(object_mask(0))), "id": 7}, task=task(0))
    assert enabled(tmp_path / "project") == 1
    studio.webhook("ANNOTATIONS_DELETED", annotations=[{"id": 100}])
    assert np.array_equal(studio.mask(0), object_mask(0))


def test_what_is_drawn_on_the_page_outlives_the_annotation(segmenter: Segmenter, tmp_path: Path, images: Path) -> None:
    from cdpnet.projects import editing
    from cdpnet.projects.folder import held

    folder = tmp_path / "project"
    with serve_in_thread(segmenter, folder, images) as url:
        Studio(url).annotate(0)
    with held(folder):
        project = Project(folder)
        image, (one,) = image_of(project, "a.png"), project.document.classes.values()
        editing.correct(project, image.id, image.revision, one.id, HALF)
    with serve_in_thread(segmenter, folder, images) as url:
        Studio(url).webhook("ANNOTATIONS_DELETED", annotations=[{"id": 100}])
    assert enabled(folder) == 0
    opened = Project(folder)
    assert np.array_equal(opened.mask(image_of(opened, "a.png")) > 0, HALF)


def test_several_annotations_at_once_and_several_classes(studio: Studio, tmp_path: Path) -> None:
    both = (brush(object_mask(1)), brush(HALF, "other  thing"))  # the later wins where they overlap
    annotations = [annotation(0, brush(object_mask(0))), annotation(1, *both)]
    answer = studio.webhook("ANNOTATIONS_CREATED", annotation=annotations, task=[task(1), task(0)])
    assert answer["learned"] == ["other thing", "thing"]
    assert enabled(tmp_path / "project") == 3
    (prediction,) = studio.predict(1)
    masks = {one["value"]["brushlabels"][0]: decode_mask(one["value"]["rle"], SIZE) for one in prediction["result"]}
    assert np.array_equal(masks["other  thing"], HALF)
    assert np.array_equal(masks["thing"], object_mask(1) & ~HALF)


def test_an_object_that_is_too_small_is_marked_and_not_learned(studio: Studio, tmp_path: Path) -> None:
    dot = np.zeros(SIZE, np.bool_)
    dot[5, 5] = True
    answer = studio.annotate(0, brush(dot))
    assert answer["learned"] == []
    assert answer["left_out"][0].startswith("Nothing is learned about thing: The mask of ")
    assert "has an object too small or too thin" in answer["left_out"][0]
    assert enabled(tmp_path / "project") == 0


def test_other_events_change_nothing(studio: Studio, tmp_path: Path) -> None:
    studio.annotate(0)
    for action in ("START_TRAINING", "TASKS_CREATED", "PROJECT_UPDATED", "WHATEVER"):
        assert studio.webhook(action)["learned"] == []
    assert enabled(tmp_path / "project") == 1


@pytest.mark.parametrize(("number", "row", "column"), [(0, 30, 40), (3, 42, 64)])
def test_a_click_gives_the_object(studio: Studio, number: int, row: int, column: int) -> None:
    (prediction,) = studio.click(number, keypoint(100 * column / SIZE[1], 100 * row / SIZE[0]))
    (result,) = prediction["result"]
    assert (result["from_name"], result["value"]["brushlabels"]) == ("tag", ["thing"])
    mask = decode_mask(result["value"]["rle"], SIZE)
    assert mask[row, column]
    assert mask_iou(mask, object_mask(number)) > 0.5
    assert result["id"] != studio.click(number, keypoint(10, 10))[0]["result"][0]["id"]
    beside = keypoint(5, 5, positive=False)
    (second,) = studio.click(number, keypoint(100 * column / SIZE[1], 100 * row / SIZE[0]), beside)
    assert not decode_mask(second["result"][0]["value"]["rle"], SIZE)[3, 4]


def test_a_box_gives_the_object(studio: Studio) -> None:
    value = {"x": 100 * 16 / 96, "y": 100 * 6 / 72, "width": 50, "height": 70, "rectanglelabels": ["thing"]}
    (prediction,) = studio.click(0, {"type": "rectanglelabels", "from_name": "box", "value": value})
    mask = decode_mask(prediction["result"][0]["value"]["rle"], SIZE)
    assert mask_iou(mask, object_mask(0)) > 0.5
    assert not mask[:6].any()


def test_the_right_lower_corner_is_inside(studio: Studio) -> None:
    (prediction,) = studio.click(0, keypoint(100, 100))
    assert decode_mask(prediction["result"][0]["value"]["rle"], SIZE)[-1, -1]


def test_polygons_and_rectangles(segmenter: Segmenter, tmp_path: Path, images: Path) -> None:
    with serve_in_thread(segmenter, tmp_path / "project", images) as url:
        Studio(url).annotate(0)
        mask = Studio(url).mask(1)
        ((prediction,),) = [Studio(url, POLYGON).predict(1)]
        outlines = [outline(one["value"]) for one in prediction["result"]]
        assert {one["type"] for one in prediction["result"]} == {"polygonlabels"}
        labels = ImageLabels("b.png", *SIZE, (region_from_outlines(outlines, SIZE, "thing"),))
        assert np.array_equal(labels.class_mask("thing") > 0, mask)
        ((prediction,),) = [Studio(url, RECTANGLE).predict(0)]
        (result,) = prediction["result"]
        box = {key: result["value"][key] for key in ("x", "y", "width", "height")}
        assert box == pytest.approx(
            {"x": 100 * 20 / 96, "y": 100 * 10 / 72, "width": 100 * 40 / 96, "height": 100 * 40 / 72}
        )
        Studio(url, RECTANGLE).annotate(1, result, action="ANNOTATION_UPDATED")
        box_mask = Studio(url).mask(1)
        assert np.array_equal(box_mask, object_mask(0))


def outline(value: dict[str, Any]) -> list[float]:
    """The points of a polygon in pixels."""
    assert value["polygonlabels"] == ["thing"]
    points: list[float] = (np.array(value["points"]) * SIZE[::-1] / 100).ravel().tolist()
    return points
