"""FSS-1000: one folder for each class, with ten images and their masks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.config import Split
from cdpnet.data.readers.reader import TWO_SETS, ImageSet
from cdpnet.errors import DataError
from cdpnet.io.files import read_text
from cdpnet.io.images import open_image
from cdpnet.runtime.text import encode

_LISTS: dict[Split, str] = {"train": "trn.txt", "val": "val.txt", "test": "test.txt"}
_SHARES: dict[Split, tuple[float, float]] = {"train": (0, 0.52), "val": (0.52, 0.76), "test": (0.76, 1)}


@dataclass(frozen=True)
class FssReader:
    """The folders of FSS-1000. Both image sets have all images, because the split is one of classes."""

    root: Path

    @cached_property
    def class_folders(self) -> tuple[str, ...]:
        """The folders that contain an image, sorted; class n is the n-th."""
        return tuple(sorted({Path(identifier).parts[0] for identifier in self._found}))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the folders, with spaces for underscores."""
        return tuple(folder.replace("_", " ") for folder in self.class_folders)

    @property
    def image_sets(self) -> tuple[ImageSet, ...]:
        """Validation and tests share their images."""
        return TWO_SETS

    @property
    def categories(self) -> None:
        """FSS-1000 has none."""
        return

    @property
    def edition(self) -> str:
        """There is only one."""
        return ""

    def identifiers(self, image_set: ImageSet) -> tuple[str, ...]:  # noqa: ARG002
        """All images as folder/number."""
        return self._found

    def image_path(self, image_set: ImageSet, identifier: str) -> Path:  # noqa: ARG002
        """The file of an image."""
        return self.root / f"{identifier}.jpg"

    def labels(self, image_set: ImageSet, identifier: str) -> NDArray[np.int16]:  # noqa: ARG002
        """The number of its class where the mask is light (128 and more), (H, W)."""
        grey = np.array(open_image(self._mask(identifier)).convert("L"))
        number = self.class_folders.index(Path(identifier).parts[0]) + 1
        return np.where(grey >= 128, number, 0).astype(np.int16)

    def label_files(self, image_set: ImageSet) -> list[Path]:
        """The masks of all images."""
        return [self._mask(identifier) for identifier in self.identifiers(image_set)]

    def _mask(self, identifier: str) -> Path:
        return self.root / f"{identifier}.png"

    @cached_property
    def _found(self) -> tuple[str, ...]:
        images = sorted(self.root.glob("*/*.jpg"), key=lambda path: (path.parent.name, len(path.stem), path.stem))
        return tuple(f"{path.parent.name}/{path.stem}" for path in images)


def open_fss(root: Path) -> FssReader:
    """The data set in ``root``. DataError where no class folder has an image."""
    reader = FssReader(root)
    if not reader.class_folders:
        raise DataError(f"No folder in {root} holds an image such as 1.jpg; --root takes FSS-1000's tree.")
    return reader


def fss_split(class_folders: tuple[str, ...], splits: Path | None) -> dict[Split, tuple[int, ...]]:
    """The classes, from 1, of training, validation and test: 520, 240 and 240 of 1000.

    They come from lists of folder names trn.txt, val.txt and test.txt in ``splits``, or by our own rule from the order
    of the SHA-256 of the folders' names. DataError for a list that is missing or names a folder that does not exist.
    """
    numbers = {folder: number for number, folder in enumerate(class_folders, start=1)}
    if splits is None:
        order = sorted(class_folders, key=lambda folder: hashlib.sha256(encode(folder)).hexdigest())
        n = len(order)
        return {
            split: tuple(sorted(numbers[folder] for folder in order[round(low * n) : round(high * n)]))
            for split, (low, high) in _SHARES.items()
        }
    found: dict[Split, tuple[int, ...]] = {}
    for split, name in _LISTS.items():
        path = splits / name
        if not path.is_file():
            raise DataError(
                f"There is no list {path}; the classes of FSS-1000 are split by trn.txt, val.txt, test.txt."
            )
        folders = list(filter(None, map(str.strip, read_text(path).splitlines())))
        if not folders:
            raise DataError(f"{path} names no class; give one name of a folder in each line.")
        for folder in folders:
            if folder not in numbers:
                raise DataError(f"{path} names the class {folder}, and the data has no such folder.")
        found[split] = tuple(sorted({numbers[folder] for folder in folders}))
    return found
