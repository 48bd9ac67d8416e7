"""Data of your own: images, masks of class numbers, and a list of class names; or images and one COCO file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.coco import open_coco_json
from cdpnet.data.readers.reader import TWO_SETS, DatasetReader, ImageSet
from cdpnet.errors import DataError
from cdpnet.io.files import read_text
from cdpnet.io.images import find_images
from cdpnet.io.masks import read_class_numbers, to_labels
from cdpnet.runtime.text import check_class_name

_FOLDERS: dict[ImageSet, tuple[str, ...]] = {"train": ("train",), "val": ("val", "test", "train"), "test": ("test",)}


@dataclass(frozen=True)
class FolderReader:
    """images/, masks/ and classes.txt with one name in each line, or images/ and masks/ in train/, val/ and test/.

    Where one of val/ and test/ is missing, validation and tests share the other.
    """

    root: Path

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Line i of classes.txt names the class of number i. DataError for no line, an empty one, or a repeated one."""
        path = self.root / "classes.txt"
        names = tuple(line.strip() for line in read_text(path).rstrip().splitlines())
        if not names:
            raise DataError(f"{path} is empty; line i names the class whose number in masks is i.")
        seen: set[str] = set()
        for line, name in enumerate(names, start=1):
            if not name or name in seen:
                fault = f"repeats {name!r}" if name else "is empty"
                raise DataError(f"Line {line} of {path} {fault}; line i names the class whose number in masks is i.")
            check_class_name(name, f"Line {line} of {path}")
            seen.add(name)
        return names

    @property
    def image_sets(self) -> tuple[ImageSet, ...]:
        """Tests have images of their own where there are both val/ and test/."""
        both = all(self._folder_of(name) == self.root / name for name in ("val", "test"))
        return (*TWO_SETS, "test") if both else TWO_SETS

    @property
    def categories(self) -> None:
        """Such a folder has none."""
        return

    @property
    def edition(self) -> str:
        """The folder that is scored."""
        folder = self._folder_of(self.image_sets[-1])
        return "images/" if folder == self.root else f"{folder.name}/"

    def identifiers(self, image_set: ImageSet) -> tuple[str, ...]:
        """The names of the image files without their endings, sorted."""
        return tuple(self._image_paths(image_set))

    def image_path(self, image_set: ImageSet, identifier: str) -> Path:
        """The file of an image."""
        return self._image_paths(image_set)[identifier]

    def labels(self, image_set: ImageSet, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W). DataError for a mask that is missing or holds other numbers."""
        path = self._mask_path(image_set, identifier)
        if not path.is_file():
            raise DataError(f"There is no mask {path} for the image {self.image_path(image_set, identifier)}.")
        return to_labels(read_class_numbers(path), len(self.class_names), path)

    def label_files(self, image_set: ImageSet) -> list[Path]:
        """The list of names, and the masks that exist."""
        masks = [self._mask_path(image_set, identifier) for identifier in self.identifiers(image_set)]
        return [self.root / "classes.txt", *(path for path in masks if path.is_file())]

    def _mask_path(self, image_set: ImageSet, identifier: str) -> Path:
        return self.image_path(image_set, identifier).parent.parent / "masks" / f"{identifier}.png"

    def _image_paths(self, image_set: ImageSet) -> dict[str, Path]:
        """The images by identifier; each image set is listed once, when it is needed."""
        if image_set not in self._found:
            images = find_images(self._folder_of(image_set) / "images")
            self._found[image_set] = {path.stem: path for path in images}
        return self._found[image_set]

    def _folder_of(self, image_set: ImageSet) -> Path:
        """The folder that holds the images/ of an image set."""
        bases = [self.root / name for name in _FOLDERS[image_set] if (self.root / name / "images").is_dir()]
        return bases[0] if bases else self.root

    @cached_property
    def _found(self) -> dict[ImageSet, dict[str, Path]]:
        return {}


def open_folder(root: Path) -> DatasetReader:
    """The data in ``root``. DataError where it is laid out in another way."""
    if (root / "classes.txt").is_file():
        return FolderReader(root)
    found = sorted(root.glob("*.json"))
    if len(found) == 1:
        return open_coco_json(found[0], root / "images" if (root / "images").is_dir() else root)
    raise DataError(
        f"There is no classes.txt in {root}, and not exactly one COCO file (*.json) but {len(found)}; a folder of data "
        "holds images/, masks/ and classes.txt with one name a line, or images/ and one COCO file."
    )
