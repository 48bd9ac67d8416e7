"""What Label Studio sends: tasks, clicks and annotations; a FieldError says what is wrong with a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdpnet.io.fields import FieldError, JsonObject, as_list, as_object, as_text
from cdpnet.labels.labelstudio_config import ShapeControl
from cdpnet.labels.regions import MOST_SHAPES
from cdpnet.runtime.text import check_class_name, listed

_MOST_TASKS = 1000  # of a request; Label Studio sends up to 100
_MOST_CLICKS = 1000
_ADDED, _ADDED_TOGETHER, _DELETED = (
    ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"),
    "ANNOTATIONS_CREATED",
    "ANNOTATIONS_DELETED",
)
_DRAWN = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "bitmasklabels")
_PERCENT = 100.0


@dataclass(frozen=True)
class Task:
    """A task. name: in messages. address: of its image, as the task has it."""

    name: str
    address: str


@dataclass(frozen=True)
class Prompt:
    """Where an object with a label is. Places are shares of the height and the width, 0..1.

    clicks: row, column, and whether it is on the object. box: top, left, bottom, right.
    """

    label: str
    clicks: tuple[tuple[float, float, bool], ...]
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Annotation:
    """A submitted annotation. results: its regions and all else in it; None where the task was skipped."""

    id: int
    task: Task
    results: tuple[JsonObject, ...] | None


def read_config(fields: JsonObject, key: str) -> str:
    """The labelling configuration in a request; empty where it has none."""
    text = fields.get(key)
    return "" if text is None else as_text(text, key)


def read_tasks(fields: JsonObject, control: ShapeControl) -> list[Task]:
    """The tasks of a request for predictions."""
    tasks = fields.entries("tasks", most=_MOST_TASKS)
    if not tasks:
        raise FieldError("tasks is empty")
    return [_task(task, control) for task in tasks]


def read_prompt(fields: JsonObject, control: ShapeControl) -> Prompt | None:
    """What a person marked with a smart tool; None in a request for predictions."""
    params = as_object(fields.get("params") or {}, "params")
    context = as_object(params.get("context") or {}, "context")
    if not context.get("result"):
        return None
    marks = as_list(context["result"], "the result of context", _MOST_CLICKS)
    clicks: list[tuple[float, float, bool]] = []
    labels: dict[str, None] = {}
    box = None
    for mark in marks:
        record = as_object(mark, "an entry of result")
        value, kind = record.nested("value"), record.text("type")
        found = as_list(value.get(kind) or [], kind)
        labels |= {as_text(label, kind): None for label in found}
        if kind.startswith("keypoint"):
            row, column = _share(value, "y"), _share(value, "x")
            clicks.append((row, column, bool(record.get("is_positive", True))))
        elif kind.startswith("rectangle"):
            top, left = _share(value, "y"), _share(value, "x")
            box = top, left, min(1.0, top + _share(value, "height")), min(1.0, left + _share(value, "width"))
        else:
            raise FieldError(f"a mark is of kind {kind!r}, and masks are made from keypoints and rectangles")
    return Prompt(_prompted_label(list(labels), control), tuple(clicks), box)


def _prompted_label(labels: list[str], control: ShapeControl) -> str:
    """The only label of the marks, or of the control."""
    offered = control.labels
    if not labels and len(offered) == 1:
        return offered[0]
    if len(labels) != 1:
        raise FieldError("the marks of an object have no label, or several; choose one before the click")
    check_class_name(labels[0], "The label of a mark")
    if offered and labels[0] not in offered:
        raise FieldError(
            f"{labels[0]!r} is no label of the control {control.control.from_name!r}, which has {listed(offered)}"
        )
    return labels[0]


def read_added(action: str, fields: JsonObject, control: ShapeControl) -> Iterator[Annotation]:
    """The annotations that a webhook tells of as made or changed; none of another action."""
    if action in _ADDED:
        yield _annotation(get_payload(fields, "annotation"), get_payload(fields, "task"), control)
    if action == _ADDED_TOGETHER:
        tasks = {_identifier(task, "a task"): task for task in as_list(get_payload(fields, "task"), "task")}
        for annotation in as_list(get_payload(fields, "annotation"), "annotation"):
            number = as_object(annotation, "annotation").whole("task", "the task of an annotation")
            if number not in tasks:
                raise FieldError(f"task {number} of an annotation is missing")
            yield _annotation(annotation, tasks[number], control)


def read_deleted(action: str, fields: JsonObject) -> list[int]:
    """The numbers of the annotations that a webhook tells of as deleted; none of another action."""
    if action != _DELETED:
        return []
    return [_identifier(one, "an annotation") for one in as_list(get_payload(fields, "annotations"), "annotations")]


def get_payload(fields: JsonObject, key: str) -> object:
    """A part of what a webhook sends."""
    if key not in fields:
        raise FieldError(f"{key} is missing; switch on the payload of the webhook in Label Studio")
    return fields[key]


def _task(value: object, control: ShapeControl) -> Task:
    record = as_object(value, "a task")
    identifier = record.get("id")
    name = f"task {identifier}" if isinstance(identifier, int) else "a task"
    data, key = record.nested("data", f"data of {name}"), control.control.data_key
    if key not in data:
        raise FieldError(f"{name} has no {key!r} in its data, which the labelling configuration names as its image")
    address = data.text(key, f"{key} of {name}")
    if not address.isprintable():
        raise FieldError(f"{key} of {name} has characters that no address has")
    return Task(name, address)


def _annotation(value: object, task: object, control: ShapeControl) -> Annotation:
    record = as_object(value, "annotation")
    results = as_list(record.get("result") or [], "result", MOST_SHAPES)
    records = tuple(as_object(result, "an entry of result") for result in results)
    name = control.control.from_name
    own = tuple(result for result in records if result.get("from_name") == name)
    if not own and any(result.get("type") in _DRAWN for result in records):
        raise FieldError(
            f"annotation {record.get('id')} has no region of the control {name!r}; --from-name chooses another"
        )
    return Annotation(
        _identifier(record, "annotation"), _task(task, control), None if record.get("was_cancelled") else own
    )


def _identifier(value: object, what: str) -> int:
    return as_object(value, what).whole("id", f"id of {what}")


def _share(value: JsonObject, key: str) -> float:
    number = value.number(key)
    if not 0 <= number <= _PERCENT:
        raise FieldError(f"{key} is {number:g}, and a place in the image is from 0 to 100 percent")
    return number / _PERCENT
