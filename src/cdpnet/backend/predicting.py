"""Masks of a project as the predictions of Label Studio, and masks from clicks."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TypedDict

from cdpnet.backend.requests import Prompt
from cdpnet.labels.labelstudio_config import ShapeControl
from cdpnet.labels.labelstudio_results import Result, lowest_score, results
from cdpnet.labels.regions import ImageLabels, region_from_mask
from cdpnet.projects.document import ProjectImage
from cdpnet.projects.labels import labels_of
from cdpnet.projects.segmenting import ProjectSegmenter
from cdpnet.web.markings import ClickedPoint
from cdpnet.web.pictures import at_full_size, view_size
from cdpnet.web.workspace import Workspace

_UNTAUGHT = "cdpnet"
_ID_BYTES = 4
_INSIDE = 1e-6  # of a view: how far a click at its right or lower edge is inside


class Prediction(TypedDict):
    """The regions of a task; score is the lowest of theirs."""

    model_version: str
    score: float
    result: list[Result]


def model_version(work: ProjectSegmenter) -> str:
    """The name of the model for Label Studio, which asks for predictions anew once it differs."""
    return f"{_UNTAUGHT}-{version[:12]}" if (version := work.version) else _UNTAUGHT


def predict(workspace: Workspace, image: ProjectImage, control: ShapeControl) -> list[Prediction]:
    """The prediction for an image that was segmented; none while nothing was taught, and of a rejected mask."""
    project = workspace.project
    with project.lock:
        document, image = project.document, project.image(image.id)
        if image.review == "rejected" or not image.has_result or not workspace.work.version:
            return []
        labels = labels_of(project, document, image)
    if control.labels:
        names = {class_name(label): label for label in control.labels}
        regions = tuple(replace(one, label=names[one.label]) for one in labels.regions if one.label in names)
        labels = replace(labels, regions=regions)
    return [_prediction(labels, control, workspace.work)]


def predict_object(workspace: Workspace, image: ProjectImage, prompt: Prompt, control: ShapeControl) -> Prediction:
    """The object that a person has clicked on, or drawn a box around. DataError as `Markings.mask`."""
    size = image.height, image.width
    height, width = view_size(size)
    points = [
        ClickedPoint(min(row * height, height - _INSIDE), min(column * width, width - _INSIDE), positive)
        for row, column, positive in prompt.clicks
    ]
    box = None
    if prompt.box is not None:
        top, left, bottom, right = prompt.box
        box = top * height, left * width, bottom * height, right * width
    mask = at_full_size(workspace.markings.mask(image, points, box, None), size)
    regions = (region_from_mask(mask, prompt.label),) if mask.any() else ()
    name = f"click-{secrets.token_hex(_ID_BYTES)}"  # of another object in the same annotation than the last one
    return _prediction(ImageLabels(image.file, *size, regions), control, workspace.work, name)


def class_name(label: str) -> str:
    """The name of the class of a label: a project has single spaces."""
    return " ".join(label.split())


def _prediction(labels: ImageLabels, control: ShapeControl, work: ProjectSegmenter, name: str = "region") -> Prediction:
    return {
        "model_version": model_version(work),
        "score": lowest_score(labels),
        "result": results(labels, control.control, control.kind, name),
    }
