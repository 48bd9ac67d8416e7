"""COCO's instance annotations: one JSON file; one annotation, as run lengths, for each region of an image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.coco import CocoReader, open_coco_json
from cdpnet.data.readers.coco_file import CocoFile
from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError
from cdpnet.io.files import atomic
from cdpnet.io.label_folders import NAMES_FILE
from cdpnet.labels.image_paths import match_images
from cdpnet.labels.label_set import LabelFormat, LabelSet, check_image_size
from cdpnet.labels.reading_options import DEFAULT, ReadingOptions
from cdpnet.labels.regions import ImageLabels
from cdpnet.runtime.constants import IGNORE_INDEX
from cdpnet.runtime.notes import note

FILE = "annotations.json"


class _Image(TypedDict):
    """An entry of ``images``."""

    id: int
    file_name: str
    height: int
    width: int


class _RunLengths(TypedDict):
    """A mask as compressed run lengths; size is H, W."""

    size: list[int]
    counts: str


class _Annotation(TypedDict):
    """An entry of ``annotations``; area and bbox (left, top, width, height) are in pixels."""

    id: int
    image_id: int
    category_id: int
    segmentation: _RunLengths
    area: int
    bbox: list[float]
    iscrowd: int
    score: float


def write_shared(read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write the file in two passes over the labels, so that they are never all in memory, and classes.txt.

    The order in classes.txt is kept by a later run, so a category keeps its id.
    """
    target.write_names()
    numbers = {name: number for number, name in enumerate(target.classes, start=1)}
    categories = [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()]
    with atomic(target.out / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"info": {"description": "labelled by cdpnet"},\n"licenses": [],\n')
        file.write(f'"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [\n')
        write_items(file.write, (_image(number, labels) for number, labels in enumerate(read_all(), start=1)))
        file.write('],\n"annotations": [\n')
        write_items(file.write, _annotations(read_all(), numbers))
        file.write("]}\n")


FORMAT = LabelFormat("COCO", shared_files=(FILE, NAMES_FILE), write_shared=write_shared)


def _image(number: int, labels: ImageLabels) -> _Image:
    return {"id": number, "file_name": labels.image, "height": labels.height, "width": labels.width}


def _annotations(all_labels: Iterable[ImageLabels], numbers: Mapping[str, int]) -> Iterator[_Annotation]:
    written = 0
    for image_id, labels in enumerate(all_labels, start=1):
        for region in labels.regions:
            written += 1
            yield {
                "id": written,
                "image_id": image_id,
                "category_id": numbers[region.label],
                "segmentation": {"size": list(labels.size), "counts": region.counts},
                "area": labels.area(region),
                "bbox": labels.bounding_box(region),
                "iscrowd": 0,
                "score": region.score,
            }


def write_items(write: Callable[[str], object], items: Iterable[object]) -> None:
    """Write the items of a JSON list, one a line."""
    separator = ""
    for item in items:
        write(separator + json.dumps(item, ensure_ascii=False))
        separator = ",\n"
    write("\n")


def find_masks(
    content: CocoFile, images: Sequence[Path], folder: Path, label: str, options: ReadingOptions = DEFAULT
) -> list[tuple[Path, Callable[[], NDArray[np.uint8]]]]:
    """Images that show a class of a file, each with the function that reads the mask (H, W) of the class in it.

    images: those that may be meant, in ``folder``; the file's other images are passed over. label: the name of one of
    its categories. Crowds are ignored (255) by default; a mask may have no pixel of the class. DataError where the file
    shows the class only as crowds, and where it is not clear which image is meant; by the function, for an image of
    another size than the file states.
    """
    path, reader = content.path, open_coco_json(content.path, folder, content)
    number = reader.class_names.index(label) + 1
    if not options.crowd and (n_crowds := reader.crowds_alone("train", number)):
        raise DataError(f"{path} shows {label!r} only as crowd regions ({n_crowds}); --crowd reads them.")
    try:
        matches = match_images(reader.identifiers("train"), images, folder)
    except FieldError as error:
        raise DataError(f"{path}: {error}.") from None
    n_empty = sum(
        found.segmentation == [] and content.numbers[found.category_id] == number
        for objects in content.objects.values()
        for found in objects
    )
    if n_empty:
        note(f"{path}: annotations of {label!r} ({n_empty}) have no segmentation, at most a box; they are left out.")
    return [
        (image, partial(_read_mask, reader, identifier, path, image, number, crowd=options.crowd))
        for identifier, image in matches.items()
        if number in reader.classes("train", identifier)
    ]


def _read_mask(
    reader: CocoReader, identifier: str, path: Path, image: Path, number: int, *, crowd: bool
) -> NDArray[np.uint8]:
    size = reader.size("train", identifier)
    check_image_size(image, size, path)  # before any memory is taken for the mask
    regions = reader.regions("train", identifier)
    own = [region.mask for region in regions if region.number == number and (crowd or not region.is_crowd)]
    if not own:
        return np.zeros(size, dtype=np.uint8)
    mask = run_lengths.decode(run_lengths.merge(own))
    crowds = [region.mask for region in regions if region.is_crowd and not crowd]
    if crowds:
        objects = run_lengths.merge([region.mask for region in regions if not region.is_crowd])
        in_crowds = run_lengths.decode(run_lengths.merge(crowds)) > run_lengths.decode(objects)
        mask = np.where(in_crowds, np.uint8(IGNORE_INDEX), mask)
    return mask
