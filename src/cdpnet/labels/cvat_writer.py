"""CVAT for images 1.1, as written: one XML file, a mask for each region."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from cdpnet.io.files import atomic
from cdpnet.labels.label_set import LabelFormat, LabelSet
from cdpnet.labels.regions import ImageLabels, Region

FILE = "annotations.xml"
_VERSION = "1.1"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_shared(read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write the file in one pass."""
    with atomic(target.out / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>{_VERSION}</version>\n')
        file.write(_to_text(_meta(target.classes)))
        for number, labels in enumerate(read_all()):
            file.write(_to_text(_image(number, labels)))
        file.write("</annotations>\n")


FORMAT = LabelFormat("CVAT for images", shared_files=(FILE,), write_shared=write_shared, not_in_names=_NOT_IN_XML)


def _to_text(element: ET.Element) -> str:
    ET.indent(element)
    return ET.tostring(element, encoding="unicode") + "\n"


def _meta(classes: Iterable[str]) -> ET.Element:
    """The labels of the task, for masks."""
    meta = ET.Element("meta")
    labels = ET.SubElement(ET.SubElement(meta, "task"), "labels")
    for name in classes:
        label = ET.SubElement(labels, "label")
        for tag, text in (("name", name), ("type", "mask"), ("attributes", "")):
            ET.SubElement(label, tag).text = text
    return meta


def _image(number: int, labels: ImageLabels) -> ET.Element:
    """An image with its masks; where two overlap, CVAT shows the later one."""
    size = {"width": str(labels.width), "height": str(labels.height)}
    image = ET.Element("image", {"id": str(number), "name": labels.image, **size})
    for order, region in enumerate(labels.regions):
        ET.SubElement(image, "mask", _mask(labels, region, order))
    return image


def _mask(labels: ImageLabels, region: Region, order: int) -> dict[str, str]:
    """The attributes of a mask: the box that it covers, in pixels, and its run lengths in there."""
    left, top, width, height = (int(side) for side in labels.bounding_box(region))
    inside = labels.mask(region)[top : top + height, left : left + width]
    return {
        "label": region.label,
        "source": "auto",
        "occluded": "0",
        "rle": ", ".join(map(str, _run_lengths(inside).tolist())),
        "left": str(left),
        "top": str(top),
        "width": str(width),
        "height": str(height),
        "z_order": str(order),
    }


def _run_lengths(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The lengths of runs along the rows of a mask (H, W), unmarked and marked in turn; the first is unmarked."""
    flat = np.concatenate([[0], mask.ravel() > 0])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(changes, prepend=0, append=mask.size).astype(np.int64)
