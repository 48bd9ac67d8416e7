"""PASCAL VOC 2012, with or without the masks that SBD adds."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.mat_files import read_field
from cdpnet.data.readers.reader import TWO_SETS, ImageSet
from cdpnet.errors import DataError
from cdpnet.io.files import read_text, regular_file
from cdpnet.io.masks import read_class_numbers, to_labels
from cdpnet.runtime.notes import note
from cdpnet.runtime.text import listed

VOC_CLASSES = (
    ("aeroplane", "vehicle"),
    ("bicycle", "vehicle"),
    ("bird", "animal"),
    ("boat", "vehicle"),
    ("bottle", "indoor object"),
    ("bus", "vehicle"),
    ("car", "vehicle"),
    ("cat", "animal"),
    ("chair", "indoor object"),
    ("cow", "animal"),
    ("dining table", "indoor object"),
    ("dog", "animal"),
    ("horse", "animal"),
    ("motorbike", "vehicle"),
    ("person", "person"),
    ("potted plant", "indoor object"),
    ("sheep", "animal"),
    ("sofa", "indoor object"),
    ("train", "vehicle"),
    ("tv monitor", "indoor object"),
)
_TREES = ("", "VOCdevkit/VOC2012", "VOC2012")
_AUGMENTED, _OFFICIAL = "SegmentationClassAug", "SegmentationClass"
_SBD_FOLDERS = ("SBD/cls", "sbd/cls", "benchmark_RELEASE/dataset/cls")
_MOST_MAT_BYTES = 2**20  # the images of SBD have 500 x 500 pixels
_TRAIN_LISTS = ("trainaug.txt", "train_aug.txt")


@dataclass(frozen=True)
class VocReader:
    """The folders of VOC 2012. Masks are PNG files of class numbers, palette or grey, or SBD's own .mat files.

    mask_folders: searched for a mask in this order; VOC's own masks come before SBD's of the same images.
    """

    root: Path
    mask_folders: tuple[Path, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The twenty classes in VOC's order."""
        return tuple(name for name, _ in VOC_CLASSES)

    @property
    def image_sets(self) -> tuple[ImageSet, ...]:
        """Validation and tests share their images."""
        return TWO_SETS

    @property
    def categories(self) -> tuple[str, ...]:
        """The four categories of VOC."""
        return tuple(category for _, category in VOC_CLASSES)

    @property
    def edition(self) -> str:
        """The folders that the masks come from."""
        return ", ".join(folder.name for folder in self.mask_folders)

    def identifiers(self, image_set: ImageSet) -> tuple[str, ...]:
        """val.txt; for training a list of the augmented set, else all masks outside val.txt, else train.txt."""
        validation = self._read_list("val.txt")
        if image_set == "val":
            return validation
        for name in _TRAIN_LISTS:
            if (self._lists / name).is_file():
                return self._read_list(name)
        added = [folder for folder in self.mask_folders if folder.name != _OFFICIAL]
        found = {path.stem for folder in added for path in folder.iterdir() if path.suffix in (".png", ".mat")}
        if not found:
            return self._read_list("train.txt")
        official = self._read_list("train.txt") if (self._lists / "train.txt").is_file() else ()
        return tuple(sorted((found | set(official)) - set(validation)))

    def image_path(self, image_set: ImageSet, identifier: str) -> Path:  # noqa: ARG002
        """The file of an image."""
        return self.root / "JPEGImages" / f"{identifier}.jpg"

    def labels(self, image_set: ImageSet, identifier: str) -> NDArray[np.int16]:  # noqa: ARG002
        """The class of every pixel, (H, W); 255 is unlabelled. DataError where they cannot be read."""
        path = self._mask_path(identifier)
        values = _read_mat(path) if path.suffix == ".mat" else read_class_numbers(path)
        return to_labels(values, len(VOC_CLASSES), path)

    def label_files(self, image_set: ImageSet) -> list[Path]:
        """The masks that exist."""
        found = [self._find_mask(identifier) for identifier in self.identifiers(image_set)]
        return [path for path in found if path is not None]

    @property
    def _lists(self) -> Path:
        return self.root / "ImageSets" / "Segmentation"

    def _read_list(self, name: str) -> tuple[str, ...]:
        """Identifiers, one in each line; of a line with the paths of image and mask, as in some lists, the image's."""
        path = self._lists / name
        if not path.is_file():
            raise DataError(f"There is no list {path}; VOC 2012 comes with it.")
        found = [Path(line.split()[0]).stem for line in read_text(path).split("\n") if line.strip()]
        if not found:
            raise DataError(f"{path} names no image; copy it again from VOC 2012.")
        twice = [identifier for identifier, times in Counter(found).items() if times > 1]
        if twice:
            note(f"{path} names images twice, {listed(twice)}; each of them counts once.")
        return tuple(dict.fromkeys(found))

    def _mask_path(self, identifier: str) -> Path:
        path = self._find_mask(identifier)
        if path is None:
            folders = " nor in ".join(str(folder) for folder in self.mask_folders)
            raise DataError(f"There is no mask of {identifier} in {folders}.")
        return path

    def _find_mask(self, identifier: str) -> Path | None:
        paths = [folder / f"{identifier}{'.mat' if folder.name == 'cls' else '.png'}" for folder in self.mask_folders]
        return next((path for path in paths if path.is_file()), None)


def open_voc(root: Path) -> VocReader:
    """The data set in ``root``, its VOCdevkit/VOC2012 or its VOC2012. DataError where there is none."""
    for tree in (root / name for name in _TREES):
        if (tree / "JPEGImages").is_dir():
            sbd = [base / name for base in dict.fromkeys((root, tree)) for name in _SBD_FOLDERS]
            folders = (tree / _AUGMENTED, tree / _OFFICIAL, *sbd)
            return VocReader(tree, tuple(folder for folder in folders if folder.is_dir()))
    raise DataError(f"There is no JPEGImages in {root}, its VOCdevkit/VOC2012 or its VOC2012; --root takes VOC's tree.")


def _read_mat(path: Path) -> NDArray[np.int64]:
    """The class numbers of a file of SBD, (H, W). DataError where it is another kind of file."""
    content = regular_file(path, "a class segmentation of SBD", _MOST_MAT_BYTES).read_bytes()
    try:
        return read_field(content, "GTcls", "Segmentation")
    except (ValueError, LookupError, struct.error, zlib.error, StopIteration):
        raise DataError(f"{path} is not a class segmentation of SBD, or is broken; copy it again.") from None
