"""The files of a project below its folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from cdpnet.errors import ConfigError, DataError
from cdpnet.io.files import atomic, regular_file, write_bytes
from cdpnet.io.images import ENDINGS, scan_images
from cdpnet.io.label_folders import NAMES_FILE
from cdpnet.io.locks import locked
from cdpnet.labels import png_folder
from cdpnet.projects.document import FILE, ProjectImage

IMAGES, LABELS, CLASSES, EXAMPLES, REMOVED = "images", "labels", "classes", "examples", "removed"
MASKS = f"{LABELS}/{png_folder.FOLDER}"
NAMES = f"{LABELS}/{NAMES_FILE}"


def check_folder(folder: Path) -> None:
    """ConfigError for a folder that is no project and not empty."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give the folder of a project.")
    if folder.is_dir() and not (folder / FILE).exists() and not (folder / IMAGES).is_dir():
        names = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if any(path.suffix.lower() in ENDINGS for path in names):
            raise ConfigError(f"{folder} holds images itself; move them to {folder / IMAGES}, as in a project.")
        if names:
            raise ConfigError(f"{folder} is no project and not empty; give a new folder.")


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Hold the folder of a project, which is made if need be, so that nobody else writes to it.

    ConfigError for a folder that is no project and not empty. DataError where another process holds it, or it cannot
    be written to.
    """
    check_folder(folder)
    try:
        (folder / IMAGES).mkdir(parents=True, exist_ok=True)
        with locked(folder, "wait for its end, or give another folder"):
            yield folder
    except OSError as error:
        raise DataError(f"{folder} cannot be written to ({error.strerror or error}).") from None


def image_files(folder: Path) -> list[str]:
    """The files with the endings of images, by their paths below the folder of images, sorted; no hidden ones."""
    images = folder / IMAGES
    try:
        found = scan_images(images, deep=True)
    except DataError:  # none
        return []
    return sorted(path.relative_to(images).as_posix() for path in (*found.images, *found.unusable))


def mask_path(image: ProjectImage) -> str:
    """The mask of an image below the folder of the project."""
    return f"{MASKS}/{image.mask_file}"


def read_file(folder: Path, name: str) -> bytes | None:
    """The content of a file; None where there is none. DataError for a pipe or another kind."""
    path = folder / name
    return regular_file(path, "a file of a project").read_bytes() if os.path.lexists(path) else None


def put_file(folder: Path, name: str, content: bytes | None) -> None:
    """Write a file, or remove it where the content is None."""
    if content is None:
        (folder / name).unlink(missing_ok=True)
    else:
        write_bytes(content, folder / name)


def put_aside(folder: Path, image: ProjectImage) -> dict[str, str]:
    """Where the file of an image lies, and a place for it among the removed ones that no other one has."""
    path = PurePosixPath(REMOVED, image.file)
    taken = os.path.lexists(folder / path)
    return {f"{IMAGES}/{image.file}": (path.with_name(image.id + path.suffix) if taken else path).as_posix()}


def move_picture(folder: Path, source: str, target: str) -> None:
    """Move the file of an image, if it is there; the folder of images may be a link to another disk."""
    if not os.path.lexists(folder / source):
        return
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    try:
        (folder / source).replace(folder / target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic(folder / target) as copy:
            shutil.copyfile(folder / source, copy)
        (folder / source).unlink()


def forget_pictures(folder: Path, kept: Collection[str]) -> None:
    """Remove all files of images that were put aside but some, by their paths below the folder of the project."""
    aside = folder / REMOVED
    if aside.is_symlink():  # what lies elsewhere is not the project's
        return
    for place, _, names in os.walk(aside, topdown=False):
        with suppress(OSError):
            for path in (Path(place, name) for name in names):
                if path.relative_to(folder).as_posix() not in kept:
                    path.unlink()
            Path(place).rmdir()  # fails where something is left


def unwritten(error: OSError) -> DataError:
    """The error of a change that could not be written."""
    return DataError(f"The project cannot be written ({error.strerror or error}); nothing changed.")
