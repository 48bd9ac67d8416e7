"""The labelling configuration of a Label Studio project: the names that a prediction must give."""

from __future__ import annotations

from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.xml_documents import XmlPart, read_xml
from cdpnet.labels.label_set import Control

_BRUSH, _IMAGE = "BrushLabels", "Image"


def read_control(path: Path, from_name: str = "") -> Control:
    """The control of a configuration that masks belong to, with the image that it labels.

    from_name: the name of the control, where there are several. DataError where the file has no such control.
    """
    parts = [part for part in read_xml(path) if part.attributes is not None]
    brushes = [part for part in parts if part.tags[-1] == _BRUSH]
    found = [part for part in brushes if not from_name or _attribute(part, "name", path) == from_name]
    if not found:
        named = f" named {from_name!r}" if from_name else ""
        raise DataError(f"{path} has no control {_BRUSH}{named}, to which masks belong; add one to the configuration.")
    if len(found) > 1:
        names = ", ".join(_attribute(part, "name", path) for part in found)
        raise DataError(f"{path} has several controls {_BRUSH}, {names}; choose one with --from-name.")
    name, image_name = (_attribute(found[0], key, path) for key in ("name", "toName"))
    for part in parts:
        if part.tags[-1] == _IMAGE and _attribute(part, "name", path) == image_name:
            return Control(name, image_name, _attribute(part, "value", path).removeprefix("$"))
    raise DataError(f"{path} has no {_IMAGE} named {image_name!r}, which its control {name!r} labels.")


def _attribute(part: XmlPart, key: str, path: Path) -> str:
    value = (part.attributes or {}).get(key, "")
    if not value:
        raise DataError(f"{path} has a {part.tags[-1]} without {key}; copy the configuration from the project.")
    return value
