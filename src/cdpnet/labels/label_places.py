"""Places of label files that something else has: known before the first is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from cdpnet.errors import DataError


def find_clashes(
    images: Sequence[str], files_of: Callable[[str], Sequence[str]], shared_files: Iterable[str]
) -> dict[str, str]:
    """Images whose label files would lie where others have a folder, and the reverse; and the reason for each.

    images: their paths below the folder of images. files_of: the paths of an image's label files, below the folder of
    labels; shared_files: those about all images.
    """
    shared = set(map(PurePosixPath, shared_files))
    folders: set[PurePosixPath] = set()
    for place in set(map(os.path.dirname, images)):
        for name in files_of(f"{place}/image.png".removeprefix("/")):
            folders.update(PurePosixPath(name).parents)
    if not any(folder.suffix for folder in folders):  # as nearly always, and files have one
        return {}
    found = {}
    for image in images:
        for file in map(PurePosixPath, files_of(image)):
            if file in folders:
                found[image] = f"{file}, a file of its labels, is the folder of other labels; rename the image."
            for folder in shared.intersection(file.parents):
                found[image] = f"{folder}, the folder of its labels, is a file about all images; rename the folder."
    return found


def check_folders(out: Path, files: Iterable[str]) -> None:
    """DataError where one of the folders of label files, given by their paths below ``out``, is a file."""
    names = set(map(os.path.dirname, files))
    for folder in {folder for name in names for folder in (Path(name), *Path(name).parents)}:
        path = out / folder
        if os.path.lexists(path) and not path.is_dir():
            raise DataError(f"{path} is a file, in the place of a folder; move it away, or give another --out.")
