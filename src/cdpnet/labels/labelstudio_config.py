"""The labelling configuration of a Label Studio project: the names that a prediction must give."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from cdpnet.errors import DataError
from cdpnet.io.documents import read_xml
from cdpnet.labels.label_set import Control

_BRUSH, _IMAGE = "BrushLabels", "Image"


def read_control(path: Path, from_name: str = "") -> Control:
    """The control of a configuration that masks belong to, with the image that it labels.

    from_name: the name of the control, where there are several. DataError where the file has no such control.
    """
    root = read_xml(path)
    found = [element for element in root.iter(_BRUSH) if not from_name or element.get("name") == from_name]
    if not found:
        named = f" named {from_name!r}" if from_name else ""
        raise DataError(f"{path} has no control {_BRUSH}{named}, to which masks belong; add one to the configuration.")
    if len(found) > 1:
        names = ", ".join(_attribute(element, "name", path) for element in found)
        raise DataError(f"{path} has several controls {_BRUSH}, {names}; choose one with --from-name.")
    name, image_name = (_attribute(found[0], key, path) for key in ("name", "toName"))
    for image in root.iter(_IMAGE):
        if image.get("name") == image_name:
            return Control(name, image_name, _attribute(image, "value", path).removeprefix("$"))
    raise DataError(f"{path} has no {_IMAGE} named {image_name!r}, which its control {name!r} labels.")


def _attribute(element: ET.Element, key: str, path: Path) -> str:
    value = element.get(key, "")
    if not value:
        raise DataError(
            f"{path} has a {element.tag} without {key}; copy the configuration from the project's settings."
        )
    return value
