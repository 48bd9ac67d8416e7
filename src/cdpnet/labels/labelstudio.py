"""Label Studio's JSON: one file of tasks with predictions that a person corrects, masks in its own run lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypedDict
from urllib.parse import quote

from cdpnet.io.files import atomic
from cdpnet.labels.brush import encode_mask
from cdpnet.labels.coco import write_items
from cdpnet.labels.label_set import Control, LabelFormat, LabelSet
from cdpnet.labels.regions import ImageLabels, Region

FILE = "tasks.json"


class _BrushValue(TypedDict):
    """A mask as encoded run lengths, and its label."""

    format: str
    rle: list[int]
    brushlabels: list[str]


class _BrushResult(TypedDict):
    """One region of a prediction; sizes are in pixels."""

    id: str
    type: str
    from_name: str
    to_name: str
    original_width: int
    original_height: int
    image_rotation: int
    score: float
    value: _BrushValue


class _Prediction(TypedDict):
    """The regions that a model found in an image; score is the lowest of theirs."""

    model_version: str
    score: float
    result: list[_BrushResult]


class _Task(TypedDict):
    """An image with its predictions."""

    data: dict[str, str]
    predictions: list[_Prediction]


def write_shared(read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write all tasks; images are addressed in a local storage whose root is the folder of images."""
    with atomic(target.out / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("[\n")
        write_items(file.write, (_task(labels, target) for labels in read_all()))
        file.write("]\n")


FORMAT = LabelFormat("Label Studio", shared_files=(FILE,), write_shared=write_shared)


def _task(labels: ImageLabels, target: LabelSet) -> _Task:
    results = [_result(number, labels, region, target.control) for number, region in enumerate(labels.regions, start=1)]
    score = min((region.score for region in labels.regions), default=0.0)
    return {
        "data": {target.control.data_key: f"/data/local-files/?d={quote(labels.image)}"},
        "predictions": [{"model_version": target.model_version, "score": score, "result": results}],
    }


def _result(number: int, labels: ImageLabels, region: Region, control: Control) -> _BrushResult:
    return {
        "id": f"region-{number}",
        "type": "brushlabels",
        "from_name": control.from_name,
        "to_name": control.to_name,
        "original_width": labels.width,
        "original_height": labels.height,
        "image_rotation": 0,
        "score": region.score,
        "value": {"format": "rle", "rle": encode_mask(labels.mask(region)), "brushlabels": [region.label]},
    }
