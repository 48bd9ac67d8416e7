"""COCO's annotations of instances, in one JSON file for each image set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.reader import ImageSet
from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.documents import read_json
from cdpnet.io.fields import FieldError, as_list, as_name, as_record, as_text, as_whole, get
from cdpnet.io.run_lengths import RunLengths
from cdpnet.runtime.constants import UNLABELLED
from cdpnet.runtime.text import check_class_name

_YEARS = ("2014", "2017")  # the field uses the first
Id = int | str  # COCO's own files have numbers


@dataclass(frozen=True)
class CocoImage:
    """An image of a COCO file; sides in pixels."""

    id: Id
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class CocoObject:
    """An annotation of a COCO file: one object, or a crowd. segmentation: polygons or run lengths, not checked yet."""

    id: object
    category_id: Id
    is_crowd: bool
    segmentation: object


@dataclass(frozen=True)
class CocoFile:
    """The content of a COCO file. categories: id, name and supercategory, sorted by id.

    numbers: of the classes, from 1, by category id. images: by identifier. objects: by the id of their image.
    """

    path: Path
    categories: tuple[tuple[Id, str, str], ...]
    numbers: dict[Id, int]
    images: dict[str, CocoImage]
    objects: dict[Id, list[CocoObject]]


class _Files(NamedTuple):
    """The files of an image set: its JSON, the folder of its images, and the prefix of file names in identifiers."""

    annotations: Path
    images: Path
    prefix: str


@dataclass(frozen=True)
class CocoReader:
    """Images, and labels rendered from the objects. Classes are numbered in the order of COCO's category ids.

    Where objects overlap, the smaller one is on top; pixels of crowds that no object covers are unlabelled (our rules).
    """

    root: Path
    files: dict[ImageSet, _Files]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of all categories."""
        return tuple(name for _, name, _ in self._any_file.categories)

    @property
    def categories(self) -> tuple[str, ...] | None:
        """The supercategories, if every category has one."""
        names = tuple(supercategory for _, _, supercategory in self._any_file.categories)
        return names if all(names) else None

    @property
    def edition(self) -> str:
        """The names of the JSON files, which contain the year."""
        return ", ".join(files.annotations.name for files in self.files.values())

    def identifiers(self, image_set: ImageSet) -> tuple[str, ...]:
        """All images, in the order of the file."""
        return tuple(self._read(image_set).images)

    def image_path(self, image_set: ImageSet, identifier: str) -> Path:
        """The file of an image."""
        return self._find(image_set).images / self._read(image_set).images[identifier].file_name

    def size(self, image_set: ImageSet, identifier: str) -> tuple[int, int]:
        """Height and width of an image, as the file states them."""
        image = self._read(image_set).images[identifier]
        return image.height, image.width

    def classes(self, image_set: ImageSet, identifier: str) -> set[int]:
        """The numbers of the classes that an image has annotations of, crowds included."""
        file = self._read(image_set)
        return {file.numbers[found.category_id] for found in file.objects[file.images[identifier].id]}

    def labels(self, image_set: ImageSet, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W). DataError for an object whose region is broken."""
        file, size = self._read(image_set), self.size(image_set, identifier)
        image = file.images[identifier]
        regions = [
            (UNLABELLED if found.is_crowd else file.numbers[found.category_id], _encode_region(found, size, file.path))
            for found in file.objects.get(image.id, [])
        ]
        labels = np.zeros(size, np.int16)
        # Crowds first, then from large to small. Run lengths are decoded one object at a time, to save memory.
        for number, region in sorted(regions, key=lambda pair: (pair[0] != UNLABELLED, -run_lengths.area(pair[1]))):
            labels[run_lengths.decode(region).view(np.bool_)] = number
        return labels

    def objects(self, image_set: ImageSet, identifier: str) -> Iterator[NDArray[np.bool_]]:
        """The mask (H, W) of each object of an image, crowds left out. DataError for one whose region is broken."""
        file, size = self._read(image_set), self.size(image_set, identifier)
        for found in file.objects.get(file.images[identifier].id, []):
            if not found.is_crowd:
                yield run_lengths.decode(_encode_region(found, size, file.path)).view(np.bool_)

    def label_files(self, image_set: ImageSet) -> list[Path]:
        """The JSON file."""
        return [self._find(image_set).annotations]

    @property
    def _any_file(self) -> CocoFile:
        """One of the files; each has all categories."""
        return self._read("val" if "val" in self.files else "train")

    def _find(self, image_set: ImageSet) -> _Files:
        if image_set not in self.files:
            raise DataError(
                f"There are no annotations for {image_set} in {self.root}; they are in COCO's file "
                f"instances_{image_set}*.json."
            )
        return self.files[image_set]

    def _read(self, image_set: ImageSet) -> CocoFile:
        files = self._find(image_set)
        return _read_file(files.annotations, files.prefix, files.annotations.stat().st_mtime_ns)


def open_coco(root: Path) -> CocoReader:
    """COCO's folders, annotations/instances_train2014.json and so on. DataError where there are none.

    Of several years, the first one that has both image sets is taken.
    """
    years = []
    for year in _YEARS:
        files: dict[ImageSet, _Files] = {}
        for image_set in get_args(ImageSet):
            path = root / "annotations" / f"instances_{image_set}{year}.json"
            if path.is_file():
                folders = (root / f"{image_set}{year}", root / "images" / f"{image_set}{year}")
                folder = next((folder for folder in folders if folder.is_dir()), folders[0])
                files[image_set] = _Files(path, folder, f"{image_set}{year}/")
        years.append(files)
    best = max(years, key=len)  # of equal ones the first
    if best:
        return CocoReader(root, best)
    raise DataError(
        f"There is no annotations/instances_val2014.json (nor train, nor 2017) in {root}; --root takes COCO's tree."
    )


def open_coco_json(path: Path, images: Path) -> CocoReader:
    """One JSON file for both image sets, and the folder of its images."""
    files = _Files(path, images, "")
    return CocoReader(path.parent, {"train": files, "val": files})


@lru_cache(maxsize=4)
def _read_file(path: Path, prefix: str, changed: int) -> CocoFile:  # noqa: ARG001 - a changed file is read again
    """The content of a JSON file; regions are checked when they are drawn. DataError where it is not COCO's."""
    try:
        content = as_record(read_json(path), "the content")
        categories = [_read_category(value, path) for value in as_list(get(content, "categories"), "categories")]
        if len({type(category_id) for category_id, _, _ in categories}) > 1:
            raise FieldError("some ids of categories are numbers and some are texts")
        categories.sort(key=lambda category: category[0])
        numbers = {category_id: number for number, (category_id, _, _) in enumerate(categories, start=1)}
        images = [_read_image(value) for value in as_list(get(content, "images"), "images")]
        objects: dict[Id, list[CocoObject]] = {image.id: [] for image in images}
        for value in as_list(get(content, "annotations"), "annotations"):
            image_id, found = _read_object(value)
            if found.category_id not in numbers or image_id not in objects:
                raise DataError(
                    f"{path}: annotation {found.id} is of category {found.category_id} in image {image_id}, and the "
                    "file does not list both."
                )
            objects[image_id].append(found)
        by_name = {prefix + image.file_name: image for image in images}
        return CocoFile(path, tuple(categories), numbers, by_name, objects)
    except FieldError as error:
        raise DataError(f"{path} is not a COCO file of instances: {error}; export it again from its tool.") from None


def _read_id(record: dict[str, object], key: str) -> Id:
    value = get(record, key)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise FieldError(f"{key} is neither a whole number nor a text")
    return value


def _read_category(value: object, path: Path) -> tuple[Id, str, str]:
    record = as_record(value, "a category")
    name = check_class_name(as_name(get(record, "name"), "the name of a category"), f"{path}: the name of a category")
    return _read_id(record, "id"), name, as_name(record.get("supercategory") or "", "the supercategory of a category")


def _read_image(value: object) -> CocoImage:
    record = as_record(value, "an image")
    height, width = (as_whole(get(record, key), f"the {key} of an image") for key in ("height", "width"))
    file_name = as_text(get(record, "file_name"), "the file_name of an image")
    return CocoImage(_read_id(record, "id"), file_name, *run_lengths.check_size(height, width))


def _read_object(value: object) -> tuple[Id, CocoObject]:
    """An annotation, and the id of its image."""
    record = as_record(value, "an annotation")
    found = CocoObject(
        record.get("id"), _read_id(record, "category_id"), bool(record.get("iscrowd")), record.get("segmentation")
    )
    return _read_id(record, "image_id"), found


def _encode_region(found: CocoObject, size: tuple[int, int], path: Path) -> RunLengths:
    """The run lengths of an object, from polygons or run lengths. DataError where they do not fit the image."""
    try:
        if isinstance(found.segmentation, list):
            return run_lengths.encode_outlines([as_list(part, "an outline") for part in found.segmentation], size)
        region = as_record(found.segmentation, "the segmentation")
        if as_list(get(region, "size"), "size") != list(size):
            raise FieldError("its size is not that of the image")
        counts = get(region, "counts")
        if isinstance(counts, list):
            return run_lengths.encode_counts(counts, size)
        return run_lengths.check_compressed(as_text(counts, "counts"), size)
    except FieldError as error:
        raise DataError(f"{path}: the region of annotation {found.id} cannot be drawn ({error}).") from None
