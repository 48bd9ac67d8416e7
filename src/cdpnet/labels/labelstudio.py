"""Label Studio's JSON: one file of tasks with predictions that a person corrects, masks in its own run lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypedDict
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError, as_list, as_point, as_record, as_text, as_whole, get
from cdpnet.io.files import atomic
from cdpnet.labels.brush import decode_mask, encode_mask
from cdpnet.labels.coco import write_items
from cdpnet.labels.label_set import Control, LabelFormat, LabelSet, check_image_size
from cdpnet.labels.regions import ImageLabels, Region, region_from_mask, region_from_outlines

FILE = "tasks.json"
_KINDS = ("brushlabels", "polygonlabels")  # of regions that are read


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


@dataclass(frozen=True)
class LabelledTask:
    """A task of a file, with regions that are not decoded yet: a file may have thousands of tasks and one is asked for.

    image: its file name, without folders. results: objects of the file, each with its label.
    """

    path: Path
    image: str
    results: tuple[tuple[str, dict[str, object]], ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels of the regions in order, each once."""
        return tuple(dict.fromkeys(label for label, _ in self.results))

    def read_mask(self, image: Path, label: str) -> NDArray[np.uint8]:
        """All regions with a label as one mask (H, W), 0 or 1.

        image: the file that the task is about. DataError where a region is broken or the image has another size.
        """
        try:
            results = [result for name, result in self.results if name == label]
            size = _read_size(results[0])
            check_image_size(image, size, self.path)  # before any memory is taken for the mask
            regions = tuple(_read_region(result, size, label) for result in results)
            return ImageLabels(self.image, *size, regions).class_mask(label)
        except FieldError as error:
            raise _refusal(self.path, error) from None


def read(content: list[object], path: Path) -> list[LabelledTask]:
    """The tasks that have regions.

    Regions come from annotations, or from predictions where a task has no annotation. DataError where the content is
    not Label Studio's.
    """
    try:
        tasks = [_read_task(as_record(task, "a task"), path) for task in content]
    except FieldError as error:
        raise _refusal(path, error) from None
    return [task for task in tasks if task is not None]


def _refusal(path: Path, error: FieldError) -> DataError:
    return DataError(f"{path} is not a Label Studio export: {error}; export it again from its tool.")


def _read_task(task: dict[str, object], path: Path) -> LabelledTask | None:
    """A task; None for one without regions."""
    annotations = [entry for entry in _records(task, "annotations") if not entry.get("was_cancelled")]
    results = [result for entry in annotations or _records(task, "predictions") for result in _records(entry, "result")]
    labelled = [(label, result) for result in results if (label := _read_label(result)) is not None]
    if not labelled:
        return None
    return LabelledTask(path, _image_name(as_record(get(task, "data"), "data")), tuple(labelled))


def _records(record: dict[str, object], key: str) -> list[dict[str, object]]:
    """The objects in a list of an object; none where the key is missing or null."""
    return [as_record(entry, f"an entry of {key}") for entry in as_list(record.get(key) or [], key)]


def _read_label(result: dict[str, object]) -> str | None:
    """The label of a brush mask or a polygon; None for other kinds, such as boxes and points."""
    if "original_width" not in result:
        return None
    value = as_record(get(result, "value"), "value")
    kind = next((kind for kind in _KINDS if kind in value), None)
    if kind is None:
        return None
    labels = as_list(value[kind], kind)
    if not labels:
        raise FieldError(f"{kind} is empty")
    return as_text(labels[0], f"an entry of {kind}")


def _read_size(result: dict[str, object]) -> tuple[int, int]:
    height, width = (as_whole(get(result, key), key) for key in ("original_height", "original_width"))
    return run_lengths.check_size(height, width)


def _read_region(result: dict[str, object], size: tuple[int, int], label: str) -> Region:
    if _read_size(result) != size:
        raise FieldError(f"two regions of {label!r} are for images of different sizes")
    value = as_record(result["value"], "value")
    if "brushlabels" in value:
        return region_from_mask(decode_mask(as_list(get(value, "rle"), "rle"), size), label)
    points = [as_point(point, "an entry of points") for point in as_list(get(value, "points"), "points")]
    outline = [percent / 100 * size[i % 2 == 0] for point in points for i, percent in enumerate(point)]
    return region_from_outlines([outline], size, label)


def _image_name(data: dict[str, object]) -> str:
    """The file name of a task's image, from an address of local storage, an upload or the web."""
    text = as_text(data["image"] if "image" in data else next(iter(data.values()), None), "the address of an image")
    try:
        address = urlsplit(text)
        path = parse_qs(address.query).get("d", [unquote(address.path)])[0]
    except ValueError:
        raise FieldError("the address of an image is not an address") from None
    return PurePosixPath(path).name
