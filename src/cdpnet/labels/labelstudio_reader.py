"""Read the JSON exports of Label Studio: tasks, annotations by several people, and predictions of models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError, JsonObject, as_list, as_number, as_object, as_text
from cdpnet.io.images import ENDINGS, open_image
from cdpnet.labels.label_set import check_image_size
from cdpnet.labels.labelstudio_shapes import TaskRegion, read_regions
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.reading_options import DEFAULT, Merge, ReadingOptions
from cdpnet.labels.regions import MOST_SHAPES, ImageLabels, region_from_mask
from cdpnet.values import JSON

_IMAGE_KEYS = ("image", "img")  # of the address of a task's image, where there are several texts


@dataclass(frozen=True)
class LabelledTask:
    """A task of a file, with regions that are not decoded yet: a file may have thousands of tasks and one is asked for.

    image: its path or address, as the file has it. votes: the regions of each annotation that counts.
    """

    path: Path
    image: str
    votes: tuple[tuple[TaskRegion, ...], ...]
    merge: Merge = "newest"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels of the regions in order, each once."""
        return tuple(dict.fromkeys(label for vote in self.votes for region in vote for label in region.labels))

    def read(self, image: Path, only: str = "") -> ImageLabels:
        """The regions of a task; of a majority, one for each class.

        image: the file that the task is about. only: the one label to read. DataError where a region is broken or the
        image has another size.
        """
        try:
            size = self._read_size(image)
            votes = [self._decode(vote, image, size, only) for vote in self.votes]
        except FieldError as error:
            raise DataError(f"{self.path}: {error}; correct it in Label Studio and export it again.") from None
        if self.merge != "majority" or len(votes) == 1:
            return ImageLabels(image.name, *size, tuple(region for vote in votes for region in vote.regions))
        names = [only] if only else self.class_names
        regions = [region_from_mask(_majority([vote.class_mask(name) for vote in votes]), name) for name in names]
        return ImageLabels(image.name, *size, tuple(regions))

    def read_mask(self, image: Path, label: str) -> NDArray[np.uint8]:
        """All regions with a label as one mask (H, W), 0 or 1; see `read`."""
        return self.read(image, label).class_mask(label)

    def _read_size(self, image: Path) -> tuple[int, int]:
        """The size that the first region states, compared with that of the image before any memory is taken."""
        stated = next((region.size for vote in self.votes for region in vote if region.size), None)
        if stated is None:
            opened = open_image(image)
            return opened.height, opened.width
        check_image_size(image, stated, self.path)
        return stated

    def _decode(self, vote: Sequence[TaskRegion], image: Path, size: tuple[int, int], only: str) -> ImageLabels:
        pairs = [(region, label) for region in vote for label in region.labels if not only or label == only]
        return ImageLabels(image.name, *size, tuple(region.decode(size, label) for region, label in pairs))


def _majority(masks: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """What more than half of the masks (H, W) mark."""
    marked: NDArray[np.int32] = np.sum(masks, axis=0, dtype=np.int32)
    return marked * 2 > len(masks)


class TaskFile(NamedTuple):
    """The tasks of a file that are annotated or predicted. notes: what is left out."""

    tasks: tuple[LabelledTask, ...]
    notes: tuple[Note, ...] = ()


def find_tasks(content: object) -> list[object] | None:
    """The tasks of a JSON value: a list of them, one task, or an annotation with its task, as storages get them.

    None for another value.
    """
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("task"), dict) and "result" in content:
        return [{**content["task"], "annotations": [content]}]
    return [content] if isinstance(content.get("data"), dict) else None


def read(content: list[object], path: Path, options: ReadingOptions = DEFAULT) -> TaskFile:
    """The tasks of an export as JSON or JSON-MIN.

    Regions come from annotations that were not cancelled, or from predictions where a task has no annotation. DataError
    where the content is not Label Studio's, and where an annotator is not among those of the file.
    """
    tasks, left_out, several = [], Counter[str](), 0
    try:
        records = _whole_tasks([as_object(task, "a task") for task in content])
        _check_annotator(options.annotator, records, path)
        for number, record in enumerate(records, start=1):
            what = f"task {_identifier(record, number)}"
            entries = _choose_entries(record, f"{path}: {what}", options)
            several += options.merge == "newest" and len(entries) > 1
            read_all = [read_regions(_records(entry, "result"), what) for entry in _votes(entries, options.merge)]
            for _, counts in read_all:
                left_out.update(counts)
            if read_all:  # an annotation without a region says that the image shows nothing
                votes = tuple(tuple(regions) for regions, _ in read_all)
                tasks.append(LabelledTask(path, _image_address(record), votes, options.merge))
    except FieldError as error:
        raise _refusal(path, error) from None
    notes = [Note(sentence, count) for sentence, count in left_out.items()]
    if several:
        notes.append(Note("of several annotations of a task the newest is read", several))
    return TaskFile(tuple(tasks), tuple(notes))


def _refusal(path: Path, error: FieldError) -> DataError:
    return DataError(f"{path} is not a Label Studio export: {error}; export it again from its tool.")


def _whole_tasks(records: list[JsonObject]) -> list[JsonObject]:
    """Tasks as in an export as JSON; of JSON-MIN, which has an entry for each annotation, they are put together."""
    tasks: dict[str, JsonObject] = {}
    for number, record in enumerate(records):
        if "data" in record or not {"annotator", "annotation_id"} & record.keys():
            tasks[f"task {number}"] = record
            continue
        results = [
            {**entry, "value": entry}
            for values in record.values()
            if isinstance(values, list)
            for entry in values
            if isinstance(entry, dict)
        ]
        annotation = {**record, "result": results, "completed_by": record.get("annotator")}
        identifier = _identifier(record, number)
        texts: JSON = {k: value for k, value in record.items() if isinstance(value, str) and not k.endswith("_at")}
        task = tasks.setdefault(f"id {identifier}", JsonObject(id=identifier, data=texts, annotations=[]))
        task.entries("annotations", most=MOST_SHAPES).append(annotation)
    return list(tasks.values())


def _identifier(record: JsonObject, number: int) -> int | str:
    """The id of a task; its number in the file where it has none."""
    identifier = record.get("id")
    return identifier if isinstance(identifier, (int, str)) else number


def _choose_entries(record: JsonObject, what: str, options: ReadingOptions) -> list[JsonObject]:
    """The annotations of a task that count, or its predictions, from the oldest to the newest.

    what: the file and the task, in messages. DataError where annotations are listed by number only.
    """
    entries = as_list(record.get("annotations") or record.get("completions") or [], "annotations")
    if entries and not any(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{what} lists its annotations by number only; export them with their content, as JSON.")
    annotations = [as_object(entry, "an annotation") for entry in entries]
    annotations = [entry for entry in annotations if not (entry.get("was_cancelled") or entry.get("skipped"))]
    if options.annotator:
        annotations = [entry for entry in annotations if options.annotator.casefold() in _annotator_names(entry)]
    elif not annotations:
        annotations = _records(record, "predictions")
    return sorted(annotations, key=_time)


def _votes(entries: list[JsonObject], merge: Merge) -> list[JsonObject]:
    """The newest annotation, or the newest of each annotator."""
    if merge == "newest":
        return entries[-1:]
    by_author = {(_author(entry) or f"entry {number}"): entry for number, entry in enumerate(entries)}
    return list(by_author.values())


def _author(entry: JsonObject) -> str:
    """Who made an annotation, or which model a prediction; empty where the file does not say."""
    return next(iter(_annotator_names(entry)), str(entry.get("model_version") or ""))


def _annotator_names(entry: JsonObject) -> list[str]:
    """The id and the e-mail address of an annotator, as far as the file has them, in lower case."""
    by = entry.get("completed_by")
    values = [by.get("id"), by.get("email")] if isinstance(by, dict) else [by]
    return [str(value).casefold() for value in values if isinstance(value, (int, str)) and value != ""]


def _check_annotator(annotator: str, records: list[JsonObject], path: Path) -> None:
    """DataError where an annotator that is asked for made none of the annotations."""
    if not annotator:
        return
    entries = [entry for record in records for entry in as_list(record.get("annotations") or [], "annotations")]
    made = [JsonObject(entry) for entry in entries if isinstance(entry, dict)]
    known = {name: None for entry in made for name in _annotator_names(entry)}
    if annotator.casefold() not in known:
        listed = ", ".join(list(known)[:20]) or "none"
        raise DataError(f"{path} has no annotation by {annotator}; its annotators are {listed}.")


def _time(entry: JsonObject) -> float:
    """When an annotation was changed last, in seconds; 0 where the file does not say."""
    for key in ("updated_at", "created_at"):
        value = entry.get(key)
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            if value is not None:
                return as_number(value, key)
        except (ValueError, OverflowError, FieldError):
            continue
    return 0.0


def _records(record: JsonObject, key: str) -> list[JsonObject]:
    """The objects in a list of an object; none where the key is missing or null."""
    return [as_object(entry, f"an entry of {key}") for entry in as_list(record.get(key) or [], key, MOST_SHAPES)]


def _image_address(task: JsonObject) -> str:
    """The path or address of a task's image: under a usual key, or the first that ends as images do."""
    data = task.nested("data")
    texts = [value for value in data.values() if isinstance(value, str)]
    named = [data[key] for key in _IMAGE_KEYS if key in data]
    like_images = [text for text in texts if PurePath(text.partition("?")[0]).suffix.lower() in ENDINGS]
    return as_text(next(iter([*named, *like_images, *texts]), None), "the address of an image")
