"""The content of a COCO file of instances, checked; regions are checked when they are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cdpnet.data.readers.coco_ids import Category, CocoImage, Id, merge_categories, merge_images, read_id
from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError, as_name, as_object
from cdpnet.io.outlines import TOO_SHORT
from cdpnet.runtime.notes import note
from cdpnet.runtime.text import check_class_name, listed

_TOO_SHORT = (0, 2, 4)  # numbers of an outline of no, one or two points


@dataclass(frozen=True)
class CocoObject:
    """An annotation of a COCO file: one object, or a crowd.

    segmentation: polygons or run lengths, score: a confidence or None; both are not checked yet.
    """

    id: object
    category_id: Id
    is_crowd: bool
    segmentation: object
    score: object = None


@dataclass(frozen=True)
class CocoFile:
    """The content of a COCO file. categories: one for each name, sorted by id.

    numbers: of the classes, from 1, by category id; several ids may have one. images: by identifier.
    objects: by the id of their image.
    """

    path: Path
    categories: tuple[Category, ...]
    numbers: dict[Id, int]
    images: dict[str, CocoImage]
    objects: dict[Id, list[CocoObject]]


def parse_coco(value: object, path: Path, prefix: str = "") -> CocoFile:
    """The content of a JSON file; regions are checked when they are drawn. DataError where it is not COCO's."""
    try:
        content = as_object(value, "the content")
        categories = [_read_category(value, path) for value in content.entries("categories")]
        if len({type(category_id) for category_id, _, _ in categories}) > 1:
            raise FieldError("some ids of categories are numbers and some are texts")
        categories.sort(key=lambda category: category[0])
        merged, numbers = merge_categories(categories, path)
        images = merge_images([_read_image(value) for value in content.entries("images")], path)
        objects = _read_objects(content.entries("annotations"), numbers, images.ids, path)
        by_name = {prefix + image.file_name: image for image in images.images}
        return CocoFile(path, merged, numbers, by_name, objects)
    except FieldError as error:
        raise DataError(f"{path} is not a COCO file of instances: {error}; export it again from its tool.") from None


def _read_objects(
    values: list[object], numbers: Mapping[Id, int], images: Mapping[Id, Id], path: Path
) -> dict[Id, list[CocoObject]]:
    """The objects by the id of their image. images: the id that stands for each id of an image."""
    objects: dict[Id, list[CocoObject]] = {image_id: [] for image_id in images.values()}
    unlisted: dict[Id, int] = {}
    seen: set[Id] = set()
    twice: dict[Id, None] = {}
    n_short = 0
    for value in values:
        image_id, found = _read_object(value)
        if isinstance(found.id, Id):
            twice.update({found.id: None} if found.id in seen else {})
            seen.add(found.id)
        if found.category_id not in numbers:
            raise DataError(
                f"{path}: annotation {found.id} is of category {found.category_id} in image {image_id}, and the "
                "file does not list both."
            )
        outlines, count = _without_short(found.segmentation)
        n_short += count
        if image_id not in images:
            unlisted[image_id] = unlisted.get(image_id, 0) + 1
        elif outlines or not count:
            objects[images[image_id]].append(replace(found, segmentation=outlines))
    if twice:
        note(f"{path}: several annotations have one id, {listed(list(twice))}; all of them are read.")
    if n_short:
        note(f"{path}: {TOO_SHORT} ({n_short}); they are left out.")
    if unlisted:
        _note_unlisted(unlisted, len(values), path)
    return objects


def _without_short(segmentation: object) -> tuple[object, int]:
    """A segmentation without its outlines of fewer than three points, and the number of these."""
    if not isinstance(segmentation, list):
        return segmentation, 0
    left = [part for part in segmentation if not (isinstance(part, list) and len(part) in _TOO_SHORT)]
    return left, len(segmentation) - len(left)


def _note_unlisted(unlisted: dict[Id, int], n_annotations: int, path: Path) -> None:
    """Say that annotations are of images that the file does not list. DataError where all are."""
    count, ids = sum(unlisted.values()), listed(list(unlisted))
    if count == n_annotations:
        raise DataError(f"{path} lists none of the images of its annotations, with the ids {ids}; export it again.")
    note(f"{path} has annotations ({count}) of images that it does not list, with the ids {ids}; they are left out.")


def _read_category(value: object, path: Path) -> Category:
    record = as_object(value, "a category")
    category_id = read_id(record, "id")
    name = check_class_name(record.name("name", "the name of a category"), f"{path}: the name of a category")
    if not name.strip():
        raise DataError(f"{path}: the category with the id {category_id} has no name; name it.")
    supercategory = as_name(record.get("supercategory") or "", "the supercategory of a category")
    return Category(category_id, name, supercategory)


def _read_image(value: object) -> CocoImage:
    record = as_object(value, "an image")
    height, width = (record.whole(key, f"the {key} of an image") for key in ("height", "width"))
    file_name = record.text("file_name", "the file_name of an image")
    return CocoImage(read_id(record, "id"), file_name, *run_lengths.check_size(height, width))


def _read_object(value: object) -> tuple[Id, CocoObject]:
    """An annotation, and the id of its image."""
    record = as_object(value, "an annotation")
    found = CocoObject(
        record.get("id"),
        read_id(record, "category_id"),
        bool(record.get("iscrowd")),
        record.get("segmentation"),
        record.get("score"),
    )
    return read_id(record, "image_id"), found
