"""Against the real Label Studio, whose executable is named by CDPNET_LABEL_STUDIO or found on the PATH."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdpnet.backend.host import LabelStudioHost
from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.brush import decode_mask
from cdpnet.labels.examples import read_examples
from cdpnet.projects.project import Project
from cdpnet.runtime.metrics import mask_iou
from tests.backend.label_studio import EXECUTABLE, TOKEN, LabelStudio, label_studio
from tests.backend.studio import BRUSH, POLYGON, brush, keypoint, serve_in_thread
from tests.cli.running import run
from tests.projects.making import NAMES, SIZE, draw_images, object_mask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EXECUTABLE, reason="there is no label-studio; CDPNET_LABEL_STUDIO names its executable"),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "images"
    draw_images(folder)
    return folder


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Iterator[LabelStudio]:
    with label_studio(tmp_path_factory.mktemp("label-studio"), pictures) as studio:
        yield studio


def masks_of(prediction: dict[str, Any]) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    return [decode_mask(result["value"]["rle"], SIZE) for result in prediction["result"]]


def test_the_backend_of_a_project(studio: LabelStudio, segmenter: Segmenter, tmp_path: Path, pictures: Path) -> None:
    """Uploaded images are fetched with the token; what is annotated is learned, replaced and removed."""
    folder = tmp_path / "project"
    host = LabelStudioHost(studio.url, TOKEN)
    with serve_in_thread(segmenter, folder, None, host) as url:
        project = studio.begin(BRUSH)
        studio.upload(project, [pictures / name for name in NAMES])
        backend, tasks = studio.connect(project, url), studio.tasks(project)
        studio.act(project, "retrieve_tasks_predictions")
        assert not any(task["predictions"] for task in studio.export(project))  # nothing was taught

        body = {"result": [brush(object_mask(0))]}
        annotation = studio.request("POST", f"tasks/{tasks[0]['id']}/annotations", json=body)
        studio.act(project, "retrieve_tasks_predictions")
        exported = studio.export(project)
        versions = {prediction["model_version"] for task in exported for prediction in task["predictions"]}
        assert len(versions) == 1
        assert versions.pop().startswith("cdpnet-")
        ours = Project(folder)
        for number, task in enumerate(exported):
            ((mask,),) = [masks_of(prediction) for prediction in task["predictions"]]
            image = next(one for one in ours.document.images.values() if one.file in task["data"]["picture"])
            assert np.array_equal(mask, ours.mask(image) > 0)
            assert mask_iou(mask, object_mask(number)) > 0.75

        prompt = {"task": tasks[2]["id"], "context": {"result": [keypoint(100 * 56 / 96, 100 * 38 / 72)]}}
        answer = studio.request("POST", f"ml/{backend}/interactive-annotating", json=prompt)
        (mask,) = masks_of(answer["data"])
        assert mask_iou(mask, object_mask(2)) > 0.5

        half = object_mask(0) & (np.arange(SIZE[1]) < 40)
        studio.request("PATCH", f"annotations/{annotation['id']}", json={"result": [brush(half)]})
        studio.act(project, "retrieve_tasks_predictions")
        assert np.array_equal(masks_of(studio.export(project)[0]["predictions"][-1])[0], half)
        studio.request("DELETE", f"annotations/{annotation['id']}")
        assert json.loads((folder / "project.json").read_text())["examples"] == []

        wrong = {"task": tasks[2]["id"], "context": {"result": [keypoint(50, 50, positive=False)]}}
        assert "422" in studio.request("POST", f"ml/{backend}/interactive-annotating", json=wrong)["errors"][0]


def test_polygons_are_accepted(studio: LabelStudio, segmenter: Segmenter, tmp_path: Path, pictures: Path) -> None:
    with serve_in_thread(segmenter, tmp_path / "project", pictures) as url:
        project = studio.begin(POLYGON)
        studio.upload(project, [pictures / name for name in NAMES])
        studio.connect(project, url)
        points = [[100 * x / 96, 100 * y / 72] for x, y in ((20, 10), (60, 10), (60, 50), (20, 50))]
        value = {"points": points, "closed": True, "polygonlabels": ["thing"]}
        result = {**brush(object_mask(0)), "type": "polygonlabels", "value": value}
        studio.request("POST", f"tasks/{studio.tasks(project)[0]['id']}/annotations", json={"result": [result]})
        studio.act(project, "retrieve_tasks_predictions")
        first, second, *_ = (task["predictions"][0]["result"] for task in studio.export(project))
        assert np.allclose(
            np.sort(first[0]["value"]["points"], axis=0), np.sort(points, axis=0), atol=0.4
        )  # a quarter of a pixel
        assert {one["type"] for one in second} == {"polygonlabels"}


@pytest.mark.parametrize("by", ["config", "names"])
def test_tasks_of_label_go_into_a_project_with_other_names_and_back(
    studio: LabelStudio, tmp_path: Path, pictures: Path, by: str
) -> None:
    """The predictions of `cdpnet label` show in a project whose control has another name; its exports equal ours."""
    (tmp_path / "config.xml").write_text(BRUSH)
    mask = tmp_path / "a.png"
    Image.fromarray(object_mask(0).astype(np.uint8)).save(mask)
    names = {
        "config": ("--label-config", tmp_path / "config.xml"),
        "names": ("--from-name", "tag", "--to-name", "photo"),
    }[by]
    label = ("label", pictures, "--model", "tiny", "--support", f"{pictures / 'a.png'}:{mask}", "--name", "thing")
    for form, more in (("png", ()), ("labelstudio", names)):
        done = run(*label, "--out", tmp_path / form, "--format", form, *more)
        assert done.returncode == 0, done.stderr
    tasks = json.loads((tmp_path / "labelstudio" / "tasks.json").read_text())
    if by == "names":  # the entry of a task that holds the image is in the configuration only
        tasks = [{**task, "data": {"picture": task["data"]["image"]}} for task in tasks]
    project = studio.begin(BRUSH)
    assert studio.load(project, tasks)["prediction_count"] == len(NAMES)
    studio.act(project, "predictions_to_annotations", model_version=tasks[0]["predictions"][0]["model_version"])

    exported = studio.export_masks(project)
    order = [task["data"]["picture"].rpartition("=")[2] for task in studio.tasks(project)]
    numbers = {task["id"]: name for task, name in zip(studio.tasks(project), order, strict=True)}
    assert len(exported) == len(NAMES)
    for file, found in exported.items():
        name = numbers[int(re.search(r"task-(\d+)", file)[1])]  # type: ignore[index]
        ours = np.array(Image.open(tmp_path / "png" / "masks" / name)) > 0
        assert np.array_equal(found, ours), name

    (tmp_path / "export.json").write_text(json.dumps(studio.export(project)))
    examples = read_examples(pictures, tmp_path / "export.json", "thing")
    assert [example.image.name for example in examples] == list(NAMES)
    for example in examples:
        ours = np.array(Image.open(tmp_path / "png" / "masks" / example.image.name)) > 0
        assert np.array_equal(example.mask == 1, ours)
