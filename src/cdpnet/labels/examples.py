"""Examples of a class, read from masks and from the label files of COCO, LabelMe, YOLO and Label Studio."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.io.fields import FieldError
from cdpnet.io.images import find_images, open_image
from cdpnet.labels import coco, labelme_reader, labelstudio_reader, yolo_reader
from cdpnet.labels.image_paths import match_images
from cdpnet.labels.regions import ImageLabels

_MOST_NAMES = 20  # of a file that an error message lists


@dataclass(frozen=True, eq=False)
class Example:
    """An image and the mask of a class in it: a mask file, or an array (H, W) with 0, 1 and 255 for ignored pixels."""

    image: Path
    mask: Path | NDArray[np.uint8]


def read_examples(images: Path, annotations: Path, label: str) -> list[Example]:
    """The examples of a class.

    images: one image, or a folder, of which all images that show the class are read. annotations: a mask; a JSON file
    of COCO, LabelMe or Label Studio; a text file of YOLO; or a folder of masks or label files named like the images.
    label: what the class is called in label files. DataError where images and annotations do not fit together.
    """
    if not images.exists():
        raise DataError(f"There is no file {images}; give an image, or a folder of images.")
    if not annotations.exists():
        raise DataError(f"There is no file {annotations}; give a mask or a label file.")
    if annotations.is_dir():
        return _from_folder(images, annotations, label)
    content = read_json(annotations) if annotations.suffix.lower() == ".json" else None
    if isinstance(content, dict) and "annotations" in content:
        return _from_coco(images, annotations, label)
    if isinstance(content, list):
        return _from_tasks(content, images, annotations, label)
    if images.is_dir():
        raise DataError(f"{annotations} labels one image, and {images} is a folder; give the image itself.")
    return [_from_one_image(images, annotations, label)]


def _from_folder(images: Path, annotations: Path, label: str) -> list[Example]:
    """Label files are matched to images by name; files without the class are skipped."""
    if not images.is_dir():
        raise DataError(f"{annotations} is a folder of labels and {images} is one image; give the image's own file.")
    files = sorted(path for path in annotations.iterdir() if path.suffix.lower() in (".json", ".txt", ".png"))
    by_name = {path.stem: path for path in files}
    pairs = [(path, by_name[path.stem]) for path in find_images(images) if path.stem in by_name]
    examples: list[Example] = []
    for image, file in pairs:
        if _is_mask(file):
            examples.append(Example(image, file))
        elif label in (labels := _read_label_file(image, file)).class_names:
            examples.append(Example(image, labels.class_mask(label)))
    if not examples:
        raise DataError(f"No file in {annotations} has the name of an image in {images} and shows {label!r}.")
    return examples


def _from_coco(images: Path, annotations: Path, label: str) -> list[Example]:
    folder = images if images.is_dir() else images.parent
    only = "" if images.is_dir() else images.name
    examples = [Example(image, mask) for image, mask in coco.read(annotations, folder, label, only)]
    return _select(examples, images, annotations, label, coco.read_class_names(annotations))


def _from_tasks(content: list[object], images: Path, annotations: Path, label: str) -> list[Example]:
    folder = images if images.is_dir() else images.parent
    candidates = find_images(folder, deep=True) if images.is_dir() else [images]
    file = labelstudio_reader.read(content, annotations)
    try:
        paths = match_images((task.image for task in file.tasks), candidates, folder)
    except FieldError as error:
        raise DataError(f"{annotations}: {error}.") from None
    examples = [
        Example(paths[task.image], task.read_mask(paths[task.image], label))
        for task in file.tasks
        if task.image in paths and label in task.class_names
    ]
    class_names = tuple(dict.fromkeys(name for task in file.tasks for name in task.class_names))
    return _select(examples, images, annotations, label, class_names, file.notes)


def _select(
    examples: Iterable[Example],
    images: Path,
    annotations: Path,
    label: str,
    class_names: Sequence[str],
    notes: Sequence[str] = (),
) -> list[Example]:
    """The examples of a file that are among the images asked for. DataError if there are none."""
    if label not in class_names:
        raise _unknown_label(label, annotations, class_names, notes)
    if images.is_dir():
        selected = list(examples)
    else:
        selected = [Example(images, example.mask) for example in examples if example.image.name == images.name]
    if not selected:
        raise DataError(f"{annotations} shows {label!r} in no image of {images}.")
    return selected


def _from_one_image(image: Path, annotations: Path, label: str) -> Example:
    if _is_mask(annotations):
        return Example(image, annotations)
    labels = _read_label_file(image, annotations)
    if label not in labels.class_names:
        raise _unknown_label(label, annotations, labels.class_names, labels.notes)
    return Example(image, labels.class_mask(label))


def _read_label_file(image: Path, annotations: Path) -> ImageLabels:
    """The labels in a file that belongs to one image."""
    if annotations.suffix.lower() == ".txt":
        opened = open_image(image)
        return yolo_reader.read(annotations, (opened.height, opened.width), image.name)
    content = read_json(annotations)
    if not isinstance(content, dict):
        raise DataError(f"{annotations} is not a label file of one image, as LabelMe writes it.")
    return labelme_reader.read(content, annotations, image)


def _is_mask(annotations: Path) -> bool:
    return annotations.suffix.lower() not in (".json", ".txt")


def _unknown_label(label: str, annotations: Path, class_names: Sequence[str], notes: Sequence[str] = ()) -> DataError:
    shown = [name[:80] for name in class_names[:_MOST_NAMES]]
    more = f" and {len(class_names) - _MOST_NAMES} more" if len(class_names) > _MOST_NAMES else ""
    labels = f"it has {', '.join(shown)}{more}" if shown else "it has no labels"
    found = "; ".join([labels, *notes])
    return DataError(
        f"{annotations} has no label {label!r}: {found}; give --label the name that the class has in the file."
    )
