"""The files that paths of the command line name, such as the two halves of a support: files, folders, and patterns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.images import scan_images
from cdpnet.labels.pairing import FileSet, find_marks
from cdpnet.runtime.notes import note

_IMAGES, _MARKS = "an image, or a folder of images", "a mask or a label file"


def expand(path: Path) -> list[Path]:
    """The files that a pattern fits, sorted; a path that is no pattern, or that is there, stands for itself."""
    if path.exists() or not has_magic(str(path)):
        return [path]
    found = glob(str(path), recursive=True)  # noqa: PTH207 - the pattern may be absolute
    return sorted(Path(name) for name in found if Path(name).is_file())


def find_images_to_segment(path: Path) -> list[Path]:
    """What a pattern fits, or the path itself: an image or a folder. DataError where there is nothing."""
    return _fitting(path, "an image, a folder, or a pattern that fits some")


def _fitting(path: Path, wanted: str) -> list[Path]:
    """The files that a pattern fits, or the path itself. DataError where there are none; wanted: what to give."""
    files = expand(path)
    if not files or not os.path.lexists(files[0]):  # a link that leads nowhere is told by what opens it
        raise DataError(f"There is no file {path}; give {wanted}.")
    return files


def require_support(images: Path, annotations: Path) -> None:
    """DataError where one half of a support names nothing; nothing is read."""
    _fitting(images, _IMAGES)
    _fitting(annotations, _MARKS)


def find_support_images(images: Path, annotations: Path) -> FileSet:
    """The images of a support. DataError where there are none.

    annotations: the other half; where it is a folder below that of the images, its files are no images.
    """
    if images.is_dir():
        others = [annotations] if annotations.is_dir() and annotations.resolve() != images.resolve() else []
        found = scan_images(images, deep=True, without=others)
        for reason in found.unusable.values():
            note(f"An image is left out: {reason}")
        return FileSet(found.images, images)
    files = _fitting(images, _IMAGES)
    return FileSet(files, _common_folder(files))


def find_support_marks(annotations: Path, images: FileSet) -> FileSet:
    """The masks and label files of a support. DataError where there are none."""
    if annotations.is_dir():
        return FileSet(find_marks(annotations, images.folder), annotations)
    files = _fitting(annotations, _MARKS)
    return FileSet(files, _common_folder(files))


def _common_folder(files: Sequence[Path]) -> Path:
    """The deepest folder that holds all files."""
    folder = files[0].parent
    while not all(path.is_relative_to(folder) for path in files):
        folder = folder.parent
    return folder


def mark_files(annotations: Path) -> list[Path]:
    """The files that a support reads as marks; all files of a folder."""
    return [path for path in annotations.rglob("*") if path.is_file()] if annotations.is_dir() else expand(annotations)
