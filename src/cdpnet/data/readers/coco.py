"""COCO's annotations of instances, in one JSON file for each image set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.coco_file import CocoFile, CocoObject, parse_coco
from cdpnet.data.readers.reader import TWO_SETS, ImageSet
from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.documents import read_json
from cdpnet.io.fields import FieldError, as_list, as_number, as_object, as_text
from cdpnet.io.files import regular_file
from cdpnet.io.run_lengths import RunLengths
from cdpnet.runtime.constants import UNLABELLED

_YEARS = ("2014", "2017")  # the field uses the first


class _Files(NamedTuple):
    """The files of an image set: its JSON, the folder of its images, and the prefix of file names in identifiers."""

    annotations: Path
    images: Path
    prefix: str


class CocoRegion(NamedTuple):
    """An object of an image: the number of its class, from 1, its mask, and its confidence, 1 where none is given."""

    number: int
    is_crowd: bool
    mask: RunLengths
    score: float = 1.0


@dataclass(frozen=True)
class CocoReader:
    """Images, and labels rendered from the objects. Classes are numbered in the order of COCO's category ids.

    Where objects overlap, the smaller one is on top; pixels of crowds that no object covers are unlabelled (our rules).
    """

    root: Path
    files: dict[ImageSet, _Files]
    content: CocoFile | None = None
    """The content of the one JSON file, where it was read before."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of all categories."""
        return tuple(name for _, name, _ in self._any_file.categories)

    @property
    def image_sets(self) -> tuple[ImageSet, ...]:
        """Validation and tests share their images."""
        return TWO_SETS

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

    def crowds_alone(self, image_set: ImageSet, number: int) -> int:
        """How many crowds show a class that no other object of the file shows; 0 for another class."""
        file = self._read(image_set)
        are_crowds = [
            found.is_crowd
            for objects in file.objects.values()
            for found in objects
            if file.numbers[found.category_id] == number
        ]
        return len(are_crowds) if all(are_crowds) else 0

    def labels(self, image_set: ImageSet, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W); crowds are unlabelled. DataError for an object whose region is broken."""
        labels = np.zeros(self.size(image_set, identifier), np.int16)
        regions = self.regions(image_set, identifier)
        # Crowds first, then from large to small. Run lengths are decoded one object at a time, to save memory.
        for region in sorted(regions, key=lambda one: (not one.is_crowd, -run_lengths.area(one.mask))):
            labels[run_lengths.decode(region.mask).view(np.bool_)] = UNLABELLED if region.is_crowd else region.number
        return labels

    def regions(self, image_set: ImageSet, identifier: str) -> list[CocoRegion]:
        """The objects of an image, in the order of the file. DataError for one whose region or score is broken."""
        file, size = self._read(image_set), self.size(image_set, identifier)
        return [
            CocoRegion(
                file.numbers[found.category_id],
                found.is_crowd,
                _encode_region(found, size, file.path),
                _read_score(found, file.path),
            )
            for found in file.objects[file.images[identifier].id]
        ]

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
        if self.content is not None:
            return self.content
        file = self._load(image_set)
        if image_set == "train" and "val" in self.files:
            self._check_categories(file, self._load("val"))
        return file

    def _load(self, image_set: ImageSet) -> CocoFile:
        files = self._find(image_set)
        changed = regular_file(files.annotations, "a COCO file").stat().st_mtime_ns
        return _read_file(files.annotations, files.prefix, changed)

    def _check_categories(self, training: CocoFile, validation: CocoFile) -> None:
        """DataError where the two files number their classes in another way, so that folds would mix them up."""
        one, other = ([category.name for category in file.categories] for file in (training, validation))
        for number, names in enumerate(zip_longest(one, other), start=1):
            if names[0] != names[1]:
                first, second = ("missing" if name is None else repr(name) for name in names)
                raise DataError(
                    f"{training.path} and {validation.path.name} have other categories: in the order of their ids, "
                    f"category {number} is {first} in the first and {second} in the second; export both with the same."
                )


def open_coco(root: Path) -> CocoReader:
    """COCO's folders, annotations/instances_train2014.json and so on. DataError where there are none.

    Of several years, the first one that has both image sets is taken.
    """
    years = []
    for year in _YEARS:
        files: dict[ImageSet, _Files] = {}
        for image_set in TWO_SETS:
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


def open_coco_json(path: Path, images: Path, content: CocoFile | None = None) -> CocoReader:
    """One JSON file for both image sets, and the folder of its images. content: of the file, if it was read before."""
    files = _Files(path, images, "")
    return CocoReader(path.parent, {"train": files, "val": files}, content)


@lru_cache(maxsize=4)
def _read_file(path: Path, prefix: str, changed: int) -> CocoFile:  # noqa: ARG001 - a changed file is read again
    """The content of a JSON file, whose path and time are its key in the cache."""
    return parse_coco(read_json(path), path, prefix)


def _read_score(found: CocoObject, path: Path) -> float:
    try:
        return 1.0 if found.score is None else as_number(found.score, f"the score of annotation {found.id}")
    except FieldError as error:
        raise DataError(f"{path}: {error}; remove it, or export the file again.") from None


def _encode_region(found: CocoObject, size: tuple[int, int], path: Path) -> RunLengths:
    """The run lengths of an object, from polygons or run lengths. DataError where they do not fit the image."""
    try:
        if found.segmentation is None:
            raise FieldError("it has no segmentation, at most a box; export polygons or masks")
        if isinstance(found.segmentation, list):
            return run_lengths.encode_outlines([as_list(part, "an outline") for part in found.segmentation], size)
        region = as_object(found.segmentation, "the segmentation")
        if region.entries("size") != list(size):
            raise FieldError("its size is not that of the image")
        counts = region.require("counts")
        if isinstance(counts, list):
            return run_lengths.encode_counts(counts, size)
        return run_lengths.check_compressed(as_text(counts, "counts"), size)
    except FieldError as error:
        raise DataError(f"{path}: the region of annotation {found.id} cannot be drawn ({error}).") from None
