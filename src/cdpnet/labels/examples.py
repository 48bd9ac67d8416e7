"""Examples of a class from whatever a person marked them with: masks, COCO, LabelMe, YOLO, Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.files import read_text
from cdpnet.io.images import find_images, open_image
from cdpnet.labels import coco, labelme, labelstudio, yolo
from cdpnet.labels.regions import ImageLabels

Marks = Path | NDArray[np.uint8]
Example = tuple[Path, Marks]


def examples(images: Path, marks: Path, label: str) -> list[Example]:
    """Images, and where the class is in them: a mask file, or a mask (H, W).

    images: one image, or a folder of which all that show the class are taken. marks: a mask, a JSON of COCO, of
    LabelMe or of Label Studio, a text file of YOLO; or a folder of such with the images' names. DataError where they
    do not fit.
    """
    if not images.exists():
        raise DataError(f"There is no file {images}; give an image, or a folder of images.")
    if not marks.exists():
        raise DataError(f"There is no file {marks}; give a mask or a file of labels.")
    if marks.is_dir():
        return _from_folder(images, marks, label)
    content = _json(marks) if marks.suffix.lower() == ".json" else None
    if isinstance(content, dict) and "annotations" in content:
        folder = images if images.is_dir() else images.parent
        return _chosen(list(coco.read(marks, folder, label)), images, marks, label, coco.labels_in(marks))
    if isinstance(content, list):
        return _from_tasks(content, images, marks, label)
    if images.is_dir():
        raise DataError(f"{marks} labels one image, and {images} is a folder; give the image itself.")
    return [_of_one(images, marks, label)]


def _from_folder(images: Path, marks: Path, label: str) -> list[Example]:
    """Files of labels by the names of their images; those that lack the class are passed over."""
    if not images.is_dir():
        raise DataError(f"{marks} is a folder of labels and {images} is one image; give the image's own file.")
    by_name = {path.stem: path for path in sorted(marks.iterdir()) if path.suffix.lower() in (".json", ".txt", ".png")}
    pairs = [(path, by_name[path.stem]) for path in find_images(images) if path.stem in by_name]
    found: list[Example] = []
    for image, file in pairs:
        if _is_mask(file):
            found.append((image, file))
        elif label in names(labelled := _read_one(image, file)):
            found.append((image, labelled.mask_of(label)))
    if not found:
        raise DataError(f"No file in {marks} has the name of an image in {images} and shows {label!r}.")
    return found


def _from_tasks(content: list[Any], images: Path, marks: Path, label: str) -> list[Example]:
    known = {path.name: path for path in (find_images(images) if images.is_dir() else [images])}
    tasks = list(labelstudio.read(content, marks))
    shown = [(known[task.image], task.mask_of(label)) for task in tasks if task.image in known and label in names(task)]
    labels = tuple(dict.fromkeys(name for task in tasks for name in names(task)))
    return _chosen(shown, images, marks, label, labels)


def _chosen(
    found: list[tuple[Path, NDArray[np.uint8]]], images: Path, marks: Path, label: str, labels: tuple[str, ...]
) -> list[Example]:
    """Those that were asked for. DataError if there are none."""
    if label not in labels:
        raise _unknown(label, marks, labels)
    if not images.is_dir():
        found = [pair for pair in found if pair[0].name == images.name]
    if not found:
        raise DataError(f"{marks} shows {label!r} in no image of {images}.")
    return [(path if images.is_dir() else images, mask) for path, mask in found]


def _of_one(image: Path, marks: Path, label: str) -> Example:
    """One image with a file of its own."""
    if _is_mask(marks):
        return image, marks
    found = _read_one(image, marks)
    if label not in names(found):
        raise _unknown(label, marks, names(found))
    return image, found.mask_of(label)


def _read_one(image: Path, marks: Path) -> ImageLabels:
    if marks.suffix.lower() == ".txt":
        opened = open_image(image)
        return yolo.read(marks, (opened.height, opened.width), image.name)
    content = _json(marks)
    if not isinstance(content, dict):
        raise DataError(f"{marks} is not a file of labels for one image, as LabelMe writes it.")
    return labelme.read(content, marks)


def _is_mask(marks: Path) -> bool:
    return marks.suffix.lower() not in (".json", ".txt")


def names(found: ImageLabels) -> tuple[str, ...]:
    """The labels of an image, each once."""
    return tuple(dict.fromkeys(region.label for region in found.regions))


def _unknown(label: str, marks: Path, labels: tuple[str, ...]) -> DataError:
    has = f"it has {', '.join(labels)}" if labels else "it has no labels"
    return DataError(f"{marks} has no label {label!r}: {has}; --label says what the class is called there.")


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not whole JSON ({error}); save it again from its tool.") from None
