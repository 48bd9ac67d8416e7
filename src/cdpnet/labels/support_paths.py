"""The files that the two halves of a support name: files, folders, and patterns such as a/*.jpg."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.images import scan_images
from cdpnet.labels.pairing import FileSet, find_marks
from cdpnet.runtime.notes import note


def expand(path: Path) -> list[Path]:
    """The files that a pattern fits, sorted; a path that is no pattern, or that is there, stands for itself."""
    if path.exists() or not has_magic(str(path)):
        return [path]
    found = glob(str(path), recursive=True)  # noqa: PTH207 - the pattern may be absolute
    return sorted(Path(name) for name in found if Path(name).is_file())


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
    files = expand(images)
    if not files or not files[0].exists():
        raise DataError(f"There is no file {images}; give an image, or a folder of images.")
    return FileSet(files, _common_folder(files))


def find_support_marks(annotations: Path, images: FileSet) -> FileSet:
    """The masks and label files of a support. DataError where there are none."""
    if annotations.is_dir():
        return FileSet(find_marks(annotations, images.folder), annotations)
    files = expand(annotations)
    if not files or not files[0].exists():
        raise DataError(f"There is no file {annotations}; give a mask or a label file.")
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
