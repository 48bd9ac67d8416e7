"""Places of label files that something else has: known before the first is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from cdpnet.errors import DataError

FilesOf = Callable[[str], Sequence[str]]  # the paths of an image's label files, below the folder of labels


def find_clashes(images: Sequence[str], files_of: FilesOf, shared_files: Sequence[str]) -> dict[str, str]:
    """Images whose label files would lie where others have a folder, and the reverse; and the reason for each.

    images: their paths below the folder of images. shared_files: label files about all images.
    """
    folders, shared = _folders(images, files_of, shared_files), set(map(PurePosixPath, shared_files))
    endings = {PurePosixPath(name).suffix for name in (*files_of("image.png"), *shared_files)}
    if not any(folder.suffix in endings for folder in folders):  # as nearly always
        return {}
    found = {}
    for image in images:
        for file in map(PurePosixPath, files_of(image)):
            if file in folders:
                found[image] = f"{file}, a file of its labels, is the folder of other labels; rename the image."
            for folder in shared.intersection(file.parents):
                found[image] = f"{folder}, the folder of its labels, is a file about all images; rename the folder."
    return found


def check_folders(out: Path, images: Sequence[str], files_of: FilesOf, shared_files: Sequence[str] = ()) -> None:
    """DataError where a file lies in the place of a folder for label files, below the folder of labels."""
    for path in (out / folder for folder in _folders(images, files_of, shared_files)):
        if os.path.lexists(path) and not path.is_dir():
            raise DataError(f"{path} is a file, in the place of a folder; move it away, or give another --out.")


def _folders(images: Sequence[str], files_of: FilesOf, shared_files: Sequence[str]) -> set[PurePosixPath]:
    """The folders of label files, and those that they lie in; of images in one folder, one is asked for."""
    places = set(map(os.path.dirname, images))
    files = (name for place in places for name in files_of(f"{place}/image.png".removeprefix("/")))
    return {folder for name in (*shared_files, *files) for folder in PurePosixPath(name).parents}
