"""Your own data: a folder of images, masks of class numbers, and a list of names; or a COCO file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.coco import open_coco_json
from cdpnet.data.readers.reader import DatasetReader, Part
from cdpnet.errors import DataError
from cdpnet.io.files import read_text
from cdpnet.io.images import find_images
from cdpnet.io.masks import as_labels, class_numbers

_PARTS: dict[Part, tuple[str, ...]] = {"train": ("train",), "val": ("test", "val", "train")}


@dataclass(frozen=True)
class FolderReader:
    """images/, masks/ and classes.txt, a name a line; or train/images, train/masks, test/images .. for two parts."""

    root: Path

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Line i of classes.txt is number i in the masks. DataError for a line that is empty or comes twice."""
        path = self.root / "classes.txt"
        names = tuple(line.strip() for line in read_text(path).rstrip().splitlines())
        for line, name in enumerate(names, start=1):
            if not name or name in names[: line - 1]:
                what = f"repeats {name!r}" if name else "is empty"
                raise DataError(f"Line {line} of {path} {what}; line i names the class whose number in masks is i.")
        return names

    @property
    def categories(self) -> None:
        """It has none."""
        return

    @property
    def edition(self) -> str:
        """There is one."""
        return ""

    def identifiers(self, part: Part) -> tuple[str, ...]:
        """The images' names without ending, sorted."""
        return tuple(self._images(part))

    def image(self, part: Part, identifier: str) -> Path:
        """The file of an image."""
        return self._images(part)[identifier]

    def labels(self, part: Part, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W). DataError for a mask that is missing or holds other numbers."""
        path = self._mask(part, identifier)
        if not path.is_file():
            raise DataError(f"There is no mask {path} for the image {self.image(part, identifier)}.")
        return as_labels(class_numbers(path), len(self.class_names), path)

    def sources(self, part: Part) -> list[Path]:
        """The masks that there are, and the names."""
        masks = [self._mask(part, identifier) for identifier in self.identifiers(part)]
        return [self.root / "classes.txt", *(path for path in masks if path.is_file())]

    def _mask(self, part: Part, identifier: str) -> Path:
        return self.image(part, identifier).parent.parent / "masks" / f"{identifier}.png"

    def _images(self, part: Part) -> dict[str, Path]:
        """By identifier; looked up once, and only in the part that is asked for."""
        if part not in self._found:
            bases = [self.root / name for name in _PARTS[part] if (self.root / name / "images").is_dir()]
            images = find_images((bases or [self.root])[0] / "images")
            self._found[part] = {path.stem: path for path in images}
        return self._found[part]

    @cached_property
    def _found(self) -> dict[Part, dict[str, Path]]:
        return {}


def open_folder(root: Path) -> DatasetReader:
    """The data at ``root``. DataError where it is laid out in another way."""
    if (root / "classes.txt").is_file():
        return FolderReader(root)
    found = sorted(root.glob("*.json"))
    if len(found) == 1:
        return open_coco_json(found[0], root / "images" if (root / "images").is_dir() else root)
    raise DataError(
        f"There is no classes.txt in {root}, and not exactly one COCO file (*.json) but {len(found)}; a folder of data "
        "holds images/, masks/ and classes.txt with one name a line, or images/ and one COCO file."
    )
