"""Ids and names that come more than once in a COCO file: merged where that is harmless, and said; else refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError, JsonObject
from cdpnet.runtime.notes import note
from cdpnet.runtime.text import listed

Id = int | str  # COCO's own files have numbers


class Category(NamedTuple):
    """A category of a COCO file; supercategory: empty for none."""

    id: Id
    name: str
    supercategory: str


@dataclass(frozen=True)
class CocoImage:
    """An image of a COCO file; sides in pixels."""

    id: Id
    file_name: str
    height: int
    width: int


def read_id(record: JsonObject, key: str) -> Id:
    """An id in an object of the file. FieldError for a value of another kind."""
    value = record.require(key)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise FieldError(f"{key} is neither a whole number nor a text")
    return value


class MergedImages(NamedTuple):
    """Images with different file names. ids: by each id of the file, that of the image that stands for it."""

    images: tuple[CocoImage, ...]
    ids: dict[Id, Id]


def merge_categories(categories: Sequence[Category], path: Path) -> tuple[tuple[Category, ...], dict[Id, int]]:
    """The categories with different names, and the number of each id's class, from 1.

    DataError where one id has two names, or one name two supercategories.
    """
    merged: dict[str, Category] = {}
    by_id: dict[Id, Category] = {}
    for category in categories:
        first = merged.setdefault(category.name, category)
        other = by_id.setdefault(category.id, category)
        if other.name != category.name:
            raise DataError(
                f"{path}: two categories have the id {category.id}, {other.name!r} and {category.name!r}; give one of "
                "them another id."
            )
        if first.supercategory != category.supercategory:
            raise DataError(
                f"{path}: the categories with the ids {first.id} and {category.id} are both called {category.name!r}, "
                f"one in {first.supercategory!r} and one in {category.supercategory!r}; rename one of them."
            )
        if first is not category:
            ids = f"the id {first.id} twice" if first.id == category.id else f"the ids {first.id} and {category.id}"
            note(f"{path}: the category {category.name!r} has {ids}; it is read as one.")
    positions = {name: number for number, name in enumerate(merged, start=1)}
    return tuple(merged.values()), {category.id: positions[category.name] for category in categories}


def merge_images(images: Sequence[CocoImage], path: Path) -> MergedImages:
    """The images with different file names.

    DataError where one id has two files, or one file two sizes.
    """
    by_name: dict[str, CocoImage] = {}
    by_id: dict[Id, CocoImage] = {}
    ids: dict[Id, Id] = {}
    twice = []
    for image in images:
        first = by_name.setdefault(image.file_name, image)
        other = by_id.setdefault(image.id, image)
        if other.file_name != image.file_name:
            raise DataError(
                f"{path}: two images have the id {image.id}, {other.file_name} and {image.file_name}; give one of them "
                "another id."
            )
        if (first.height, first.width) != (image.height, image.width):
            raise DataError(
                f"{path}: the images with the ids {first.id} and {image.id} are both {image.file_name}, of "
                f"{first.width} x {first.height} and {image.width} x {image.height} pixels; remove the wrong one."
            )
        if first is not image:
            twice.append(image.id)
        ids[image.id] = first.id
    if twice:
        note(f"{path} lists images twice, with the ids {listed(twice)}; their annotations are read as of one image.")
    return MergedImages(tuple(by_name.values()), ids)
