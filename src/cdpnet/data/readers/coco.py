"""COCO's annotations of instances, in one JSON file for each image set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from cdpnet.data.readers.reader import ImageSet
from cdpnet.errors import DataError
from cdpnet.runtime.constants import UNLABELLED

_YEARS = ("2014", "2017")  # the field uses the first


@dataclass(frozen=True)
class CocoImage:
    """An image of a COCO file; sides in pixels."""

    id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class CocoObject:
    """An annotation of a COCO file: one object, or a crowd. segmentation: polygons or run lengths, not checked yet."""

    id: int | None
    category_id: int
    is_crowd: bool
    segmentation: object


@dataclass(frozen=True)
class CocoFile:
    """The content of a COCO file. categories: id, name and supercategory, sorted by id.

    images: by identifier. objects: by the id of their image.
    """

    path: Path
    categories: tuple[tuple[int, str, str], ...]
    images: dict[str, CocoImage]
    objects: dict[int, list[CocoObject]]


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

    def labels(self, image_set: ImageSet, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W). DataError for an object whose region is broken."""
        file = self._read(image_set)
        image = file.images[identifier]
        size = (image.height, image.width)
        numbers = {category_id: number for number, (category_id, _, _) in enumerate(file.categories, start=1)}
        regions = [
            (UNLABELLED if found.is_crowd else numbers[found.category_id], _encode_region(found, size, file.path))
            for found in file.objects.get(image.id, [])
        ]
        labels = np.zeros(size, np.int16)
        # Crowds first, then from large to small. Run lengths are decoded one object at a time, to save memory.
        for number, region in sorted(regions, key=lambda pair: (pair[0] != UNLABELLED, -int(rle.area(pair[1])))):
            labels[rle.decode(region).astype(bool)] = number
        return labels

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
    """The content of a JSON file, checked. DataError where it is cut off or not COCO's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        categories = sorted((c["id"], str(c["name"]), str(c.get("supercategory", ""))) for c in content["categories"])
        images = [_read_image(image) for image in content["images"]]
        objects: dict[int, list[CocoObject]] = {image.id: [] for image in images}
        known = {category_id for category_id, _, _ in categories}
        for found in content["annotations"]:
            if found["category_id"] not in known or found["image_id"] not in objects:
                raise DataError(
                    f"{path}: annotation {found.get('id')} is of category {found['category_id']} in image "
                    f"{found['image_id']}, and the file does not list both."
                )
            objects[found["image_id"]].append(_read_object(found))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not whole JSON ({error}); copy it again.") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is not a COCO file of instances ({error!r} is missing or of another kind).") from None
    return CocoFile(path, tuple(categories), {prefix + image.file_name: image for image in images}, objects)


def _read_image(record: dict[str, Any]) -> CocoImage:
    image = CocoImage(record["id"], str(record["file_name"]), int(record["height"]), int(record["width"]))
    if image.height <= 0 or image.width <= 0:
        raise KeyError("height and width")
    return image


def _read_object(record: dict[str, Any]) -> CocoObject:
    return CocoObject(record.get("id"), record["category_id"], bool(record.get("iscrowd")), record.get("segmentation"))


def _encode_region(found: CocoObject, size: tuple[int, int], path: Path) -> Any:
    """The run lengths of an object, from polygons or run lengths. DataError where they do not fit the image."""
    try:
        region: Any = found.segmentation
        if isinstance(region, list):
            nothing = [{"size": list(size), "counts": [size[0] * size[1]]}]
            region = rle.merge(rle.frPyObjects(region or nothing, *size))
        elif isinstance(region["counts"], list):
            region = rle.frPyObjects(region, *size)
        h, w = region["size"]
        if (h, w) != size:
            raise ValueError(f"it is {w} x {h} pixels")
    except Exception as error:  # pycocotools raises many kinds
        raise DataError(f"{path}: the region of annotation {found.id} cannot be drawn ({error}).") from None
    return region
