"""COCO's JSON of instances: one annotation for each class in an image, as run lengths, which keep holes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.coco import open_coco_json
from cdpnet.io.files import atomic
from cdpnet.labels.label_set import LabelSet
from cdpnet.labels.regions import ImageLabels, area, box
from cdpnet.runtime.constants import IGNORE_INDEX, UNLABELLED

FILE = "annotations.json"


def finish(everything: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write all images and their regions; ``everything`` is gone through twice and never held."""
    numbers = {name: number for number, name in enumerate(target.classes, start=1)}
    categories = [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()]
    with atomic(target.out / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"info": {"description": "labelled by cdpnet"},\n"licenses": [],\n')
        file.write(f'"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [\n')
        write_list(file.write, (_image(i, found) for i, found in enumerate(everything(), start=1)))
        file.write('],\n"annotations": [\n')
        write_list(file.write, _annotations(everything(), numbers))
        file.write("]}\n")


def _image(number: int, found: ImageLabels) -> dict[str, Any]:
    return {"id": number, "file_name": found.image, "height": found.height, "width": found.width}


def _annotations(everything: Iterable[ImageLabels], numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
    written = 0
    for image_id, found in enumerate(everything, start=1):
        for region in found.regions:
            written += 1
            yield {
                "id": written,
                "image_id": image_id,
                "category_id": numbers[region.label],
                "segmentation": {"size": list(found.size), "counts": region.counts},
                "area": area(found, region),
                "bbox": box(found, region),
                "iscrowd": 0,
                "score": region.score,
            }


def write_list(write: Callable[[str], object], items: Iterable[dict[str, Any]]) -> None:
    """The items of a JSON list, one a line."""
    separator = ""
    for item in items:
        write(separator + json.dumps(item, ensure_ascii=False))
        separator = ",\n"
    write("\n")


def read(path: Path, images: Path, label: str) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    """Images that show a class and its masks (H, W); crowds are ignored, 255. DataError where the file is broken."""
    reader = open_coco_json(path, images)
    if label not in reader.class_names:
        return
    number = reader.class_names.index(label) + 1
    for identifier in reader.identifiers("train"):
        labels = reader.labels("train", identifier)
        if (labels == number).any():
            mask = np.where(labels == UNLABELLED, IGNORE_INDEX, labels == number).astype(np.uint8)
            yield reader.image_path("train", identifier), mask


def labels_in(path: Path) -> tuple[str, ...]:
    """The names of its classes."""
    return open_coco_json(path, path.parent).class_names
