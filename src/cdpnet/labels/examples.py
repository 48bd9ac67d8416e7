"""Examples of a class from whatever a person marked them with: masks, COCO, LabelMe, YOLO, Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.files import read_text
from cdpnet.labels import coco, labelme, labelstudio, yolo
from cdpnet.labels.regions import Labelled
from cdpnet.pictures import open_image, pictures_in

Marks = Path | NDArray[np.uint8]
Example = tuple[Path, Marks]


def examples(pictures: Path, marks: Path, label: str) -> list[Example]:
    """Pictures, and where the class is in them: a mask file, or a mask (H, W).

    pictures: one picture, or a folder of which all that show the class are taken. marks: a mask, a JSON of COCO, of
    LabelMe or of Label Studio, a text file of YOLO; or a folder of such with the pictures' names. DataError where they
    do not fit.
    """
    if not pictures.exists():
        raise DataError(f"There is no file {pictures}; give a picture, or a folder of pictures.")
    if not marks.exists():
        raise DataError(f"There is no file {marks}; give a mask or a file of labels.")
    if marks.is_dir():
        return _from_folder(pictures, marks, label)
    content = _json(marks) if marks.suffix.lower() == ".json" else None
    if isinstance(content, dict) and "annotations" in content:
        folder = pictures if pictures.is_dir() else pictures.parent
        return _chosen(list(coco.read(marks, folder, label)), pictures, marks, label, coco.labels_in(marks))
    if isinstance(content, list):
        return _from_tasks(content, pictures, marks, label)
    if pictures.is_dir():
        raise DataError(f"{marks} labels one picture, and {pictures} is a folder; give the picture itself.")
    return [_of_one(pictures, marks, label)]


def _from_folder(pictures: Path, marks: Path, label: str) -> list[Example]:
    """Files of labels by the names of their pictures; those that lack the class are passed over."""
    if not pictures.is_dir():
        raise DataError(f"{marks} is a folder of labels and {pictures} is one picture; give the picture's own file.")
    by_name = {path.stem: path for path in sorted(marks.iterdir()) if path.suffix.lower() in (".json", ".txt", ".png")}
    pairs = [(path, by_name[path.stem]) for path in pictures_in(pictures) if path.stem in by_name]
    found: list[Example] = []
    for picture, file in pairs:
        if _is_mask(file):
            found.append((picture, file))
        elif label in names(labelled := _read_one(picture, file)):
            found.append((picture, labelled.mask_of(label)))
    if not found:
        raise DataError(f"No file in {marks} has the name of a picture in {pictures} and shows {label!r}.")
    return found


def _from_tasks(content: list[Any], pictures: Path, marks: Path, label: str) -> list[Example]:
    known = {path.name: path for path in (pictures_in(pictures) if pictures.is_dir() else [pictures])}
    tasks = list(labelstudio.read(content, marks))
    shown = [
        (known[task.picture], task.mask_of(label)) for task in tasks if task.picture in known and label in names(task)
    ]
    labels = tuple(dict.fromkeys(name for task in tasks for name in names(task)))
    return _chosen(shown, pictures, marks, label, labels)


def _chosen(
    found: list[tuple[Path, NDArray[np.uint8]]], pictures: Path, marks: Path, label: str, labels: tuple[str, ...]
) -> list[Example]:
    """Those that were asked for. DataError if there are none."""
    if label not in labels:
        raise _unknown(label, marks, labels)
    if not pictures.is_dir():
        found = [pair for pair in found if pair[0].name == pictures.name]
    if not found:
        raise DataError(f"{marks} shows {label!r} in no picture of {pictures}.")
    return [(path if pictures.is_dir() else pictures, mask) for path, mask in found]


def _of_one(picture: Path, marks: Path, label: str) -> Example:
    """One picture with a file of its own."""
    if _is_mask(marks):
        return picture, marks
    found = _read_one(picture, marks)
    if label not in names(found):
        raise _unknown(label, marks, names(found))
    return picture, found.mask_of(label)


def _read_one(picture: Path, marks: Path) -> Labelled:
    if marks.suffix.lower() == ".txt":
        image = open_image(picture)
        return yolo.read(marks, (image.height, image.width), picture.name)
    content = _json(marks)
    if not isinstance(content, dict):
        raise DataError(f"{marks} is not a file of labels for one picture, as LabelMe writes it.")
    return labelme.read(content, marks)


def _is_mask(marks: Path) -> bool:
    return marks.suffix.lower() not in (".json", ".txt")


def names(found: Labelled) -> tuple[str, ...]:
    """The labels of a picture, each once."""
    return tuple(dict.fromkeys(region.label for region in found.regions))


def _unknown(label: str, marks: Path, labels: tuple[str, ...]) -> DataError:
    has = f"it has {', '.join(labels)}" if labels else "it has no labels"
    return DataError(f"{marks} has no label {label!r}: {has}; --label says what the class is called there.")


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not whole JSON ({error}); save it again from its tool.") from None
