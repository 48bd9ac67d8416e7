"""The labelling configuration of a Label Studio project: the names that a prediction must give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cdpnet.errors import DataError
from cdpnet.io.xml_documents import XmlPart, parse_xml, read_xml
from cdpnet.labels.label_set import Control

ShapeKind = Literal["brush", "polygon", "rectangle"]
_TAGS: dict[str, ShapeKind] = {"BrushLabels": "brush", "PolygonLabels": "polygon", "RectangleLabels": "rectangle"}
_BRUSH, _IMAGE = "BrushLabels", "Image"


@dataclass(frozen=True)
class ShapeControl:
    """A control that regions are drawn with. labels: those that it offers; none where each task has its own."""

    kind: ShapeKind
    control: Control
    labels: tuple[str, ...]


def read_control(path: Path, from_name: str = "") -> Control:
    """The control of a configuration that masks belong to, with the image that it labels.

    from_name: the name of the control, where there are several. DataError where the file has no such control.
    """
    return _find(read_xml(path), str(path), from_name, (_BRUSH,)).control


def find_control(text: str, from_name: str = "") -> ShapeControl:
    """The control of a configuration that regions are drawn with: a brush, else polygons, else rectangles.

    from_name: the name of the control, where it is another. DataError where there is no such control.
    """
    return _find(parse_xml(text, "The labelling configuration"), "The labelling configuration", from_name, tuple(_TAGS))


def _find(read: Iterable[XmlPart], what: str, from_name: str, tags: tuple[str, ...]) -> ShapeControl:
    """The only control of the first of the tags that is there. what: the configuration, in messages."""
    parts = [part for part in read if part.attributes is not None]
    drawing = [part for part in parts if part.tags[-1] in tags]
    found = [part for part in drawing if not from_name or _attribute(part, "name", what) == from_name]
    if not found:
        named = f" named {from_name!r}" if from_name else ""
        kinds = " or ".join(tags)
        raise DataError(f"{what} has no control {kinds}{named}, to which masks belong; add one to the configuration.")
    tag = min((part.tags[-1] for part in found), key=tags.index)
    found = [part for part in found if part.tags[-1] == tag]
    if len(found) > 1:
        names = ", ".join(_attribute(part, "name", what) for part in found)
        raise DataError(f"{what} has several controls {tag}, {names}; choose one with --from-name.")
    name, image_name = (_attribute(found[0], key, what) for key in ("name", "toName"))
    for part in parts:
        if part.tags[-1] == _IMAGE and _attribute(part, "name", what) == image_name:
            control = Control(name, image_name, _attribute(part, "value", what).removeprefix("$"))
            return ShapeControl(_TAGS[tag], control, _labels(parts, found[0]))
    raise DataError(f"{what} has no {_IMAGE} named {image_name!r}, which its control {name!r} labels.")


def _labels(parts: list[XmlPart], control: XmlPart) -> tuple[str, ...]:
    """The labels in a control, in their order: their alias, which results have, or their value."""
    labels = []
    for part in parts[parts.index(control) + 1 :]:
        if part.tags[: len(control.tags)] != control.tags or len(part.tags) == len(control.tags):
            break
        attributes = part.attributes or {}
        if part.tags[-1] == "Label" and (label := attributes.get("alias") or attributes.get("value")):
            labels.append(label)
    return tuple(dict.fromkeys(labels))


def _attribute(part: XmlPart, key: str, what: str) -> str:
    value = (part.attributes or {}).get(key, "")
    if not value:
        raise DataError(f"{what} has a {part.tags[-1]} without {key}; copy the configuration from the project.")
    return value
