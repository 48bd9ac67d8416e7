"""Label Studio's JSON: one file of tasks with predictions that a person corrects, masks in its own run lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypedDict
from urllib.parse import quote

from cdpnet.io.files import atomic
from cdpnet.labels.coco import write_items
from cdpnet.labels.label_set import LabelFormat, LabelSet
from cdpnet.labels.labelstudio_results import Result, lowest_score, results
from cdpnet.labels.regions import ImageLabels

FILE = "tasks.json"


class _Prediction(TypedDict):
    """The regions that a model found in an image; score is the lowest of theirs."""

    model_version: str
    score: float
    result: list[Result]


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
    found = results(labels, target.control)
    return {
        "data": {target.control.data_key: f"/data/local-files/?d={quote(labels.image)}"},
        "predictions": [{"model_version": target.model_version, "score": lowest_score(labels), "result": found}],
    }
