"""COCO's annotations as they come, in one JSON file for each part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from cdpnet.data.readers.reader import Part
from cdpnet.errors import DataError
from cdpnet.runtime.constants import UNLABELLED

_YEARS = ("2014", "2017")  # the field uses the first


@dataclass(frozen=True)
class CocoFile:
    """One JSON file, read: categories by id, images by identifier, and the objects of each."""

    path: Path
    categories: tuple[tuple[int, str, str], ...]  # id, name, supercategory, sorted by id
    images: dict[str, dict[str, Any]]
    objects: dict[int, list[dict[str, Any]]]


@dataclass(frozen=True)
class CocoReader:
    """Images, and masks drawn from the objects. Classes are numbered in the order of COCO's category ids.

    Where objects overlap, the smaller one lies on top; crowd regions are left out where no object lies (our rules).
    files: of each part the JSON, the folder of its images, and what stands before a file name in identifiers.
    """

    root: Path
    files: dict[Part, tuple[Path, Path, str]]

    @property
    def class_names(self) -> tuple[str, ...]:
        """All categories' names."""
        return tuple(name for _, name, _ in self._any.categories)

    @property
    def categories(self) -> tuple[str, ...] | None:
        """COCO's supercategories, if every category has one."""
        general = tuple(general for _, _, general in self._any.categories)
        return general if all(general) else None

    @property
    def edition(self) -> str:
        """The JSON files, which name the year."""
        return ", ".join(path.name for path, _, _ in self.files.values())

    def identifiers(self, part: Part) -> tuple[str, ...]:
        """All images, in the order of the file."""
        return tuple(self._file(part).images)

    def image(self, part: Part, identifier: str) -> Path:
        """The file of an image."""
        _, folder, _ = self._where(part)
        return folder / str(self._file(part).images[identifier]["file_name"])

    def labels(self, part: Part, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W). DataError for an object that cannot be drawn."""
        file = self._file(part)
        image = file.images[identifier]
        size = (int(image["height"]), int(image["width"]))
        numbers = {identity: number for number, (identity, _, _) in enumerate(file.categories, start=1)}
        regions = [
            (UNLABELLED if found.get("iscrowd") else numbers[found["category_id"]], _region(found, size, file.path))
            for found in file.objects.get(image["id"], [])
        ]
        labels = np.zeros(size, np.int16)
        # Crowds first, then from large to small; run lengths become pixels one object at a time.
        for number, region in sorted(regions, key=lambda pair: (pair[0] != UNLABELLED, -int(rle.area(pair[1])))):
            labels[rle.decode(region).astype(bool)] = number
        return labels

    def sources(self, part: Part) -> list[Path]:
        """The JSON file."""
        return [self._where(part)[0]]

    @property
    def _any(self) -> CocoFile:
        """The categories stand in every part."""
        return self._file("val" if "val" in self.files else "train")

    def _where(self, part: Part) -> tuple[Path, Path, str]:
        if part not in self.files:
            raise DataError(
                f"There are no annotations for {part} in {self.root}; COCO's file instances_{part}*.json is."
            )
        return self.files[part]

    def _file(self, part: Part) -> CocoFile:
        path, _, prefix = self._where(part)
        return _read(path, prefix, path.stat().st_mtime_ns)


def open_coco(root: Path) -> CocoReader:
    """COCO's tree, annotations/instances_train2014.json and so on, of the year with both parts. DataError for none."""
    years = []
    for year in _YEARS:
        files: dict[Part, tuple[Path, Path, str]] = {}
        parts: tuple[Part, ...] = ("train", "val")
        for part in parts:
            path = root / "annotations" / f"instances_{part}{year}.json"
            if path.is_file():
                folders = (root / f"{part}{year}", root / "images" / f"{part}{year}")
                folder = next((folder for folder in folders if folder.is_dir()), folders[0])
                files[part] = (path, folder, f"{part}{year}/")
        years.append(files)
    best = max(years, key=len)  # of equal ones the first
    if best:
        return CocoReader(root, best)
    raise DataError(
        f"There is no annotations/instances_val2014.json (nor train, nor 2017) in {root}; --root takes COCO's tree."
    )


def open_coco_json(path: Path, images: Path) -> CocoReader:
    """One JSON for both parts, its images in a folder."""
    return CocoReader(path.parent, {"train": (path, images, ""), "val": (path, images, "")})


@lru_cache(maxsize=4)
def _read(path: Path, prefix: str, changed: int) -> CocoFile:  # noqa: ARG001 - a changed file is read again
    """A JSON file, checked. DataError where it is cut off or not COCO's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        categories = sorted((c["id"], str(c["name"]), str(c.get("supercategory", ""))) for c in content["categories"])
        images = {prefix + str(image["file_name"]): image for image in content["images"]}
        if not all(int(image["height"]) > 0 and int(image["width"]) > 0 for image in images.values()):
            raise KeyError("height and width")
        objects: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
        known = {identity for identity, _, _ in categories}
        for found in content["annotations"]:
            if found["category_id"] not in known or found["image_id"] not in objects:
                raise DataError(
                    f"{path}: annotation {found.get('id')} is of category {found['category_id']} in image "
                    f"{found['image_id']}, and the file does not list both."
                )
            objects[found["image_id"]].append(found)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not whole JSON ({error}); copy it again.") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is not a COCO file of instances ({error!r} is missing or of another kind).") from None
    return CocoFile(path, tuple(categories), images, objects)


def _region(found: dict[str, Any], size: tuple[int, int], path: Path) -> Any:
    """The run lengths of an object, from polygons or run lengths. DataError where they do not fit the image."""
    try:
        drawn = found["segmentation"]
        if isinstance(drawn, list):
            nothing = [{"size": list(size), "counts": [size[0] * size[1]]}]
            drawn = rle.merge(rle.frPyObjects(drawn or nothing, *size))
        elif isinstance(drawn["counts"], list):
            drawn = rle.frPyObjects(drawn, *size)
        h, w = drawn["size"]
        if (h, w) != size:
            raise ValueError(f"it is {w} x {h} pixels")
    except Exception as error:  # pycocotools raises many kinds
        raise DataError(f"{path}: the region of annotation {found.get('id')} cannot be drawn ({error}).") from None
    return drawn
