"""Add images to a project."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

from cdpnet.errors import DataError
from cdpnet.io.images import ENDINGS
from cdpnet.projects import folder as files
from cdpnet.projects.document import ProjectImage
from cdpnet.projects.project import Project
from cdpnet.runtime.text import check_class_name

_LONGEST_NAME = 200  # bytes; file systems have 255, and temporary names and masks need some
_FORBIDDEN = set('/\\:*?"<>|')  # in names of files, on one system or another


def check_file_name(name: str) -> None:
    """DataError for the name of a file that some system cannot store."""
    check_class_name(name, "The name of the file")
    if not name.strip() or name.startswith(".") or name != name.strip() or _FORBIDDEN & set(name):
        raise DataError("The file has a name that not every system can store; rename it.")
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise DataError(f"The name of the file has more than {_LONGEST_NAME} bytes; rename it.")


def add_image(project: Project, name: str, content: bytes, size: tuple[int, int]) -> str:
    """Add an image that was read before; gives its id. name: may have folders, with ``/``. size: H, W.

    DataError for a name that another image has already, but for its ending, since both would have one mask.
    """
    assert name.lower().endswith(ENDINGS)
    with project.lock:
        image = ProjectImage(project.new_id("i"), name, *size)
        for other in project.document.images.values():
            if other.mask_file.lower() == image.mask_file.lower():
                shared = "is there already" if other.file == name else f"and {other.file} have one stem, so one mask"
                raise DataError(f"{name} {shared}; rename it.")
        path = f"{files.IMAGES}/{name}"
        if (project.folder / path).exists():
            raise DataError(f"{name} lies in the folder of images already; start the page again to see it.")
        document = project.document
        try:
            files.put_file(project.folder, path, content)
            project.update(replace(document, images={**document.images, image.id: image}))  # no step that is taken back
        except OSError as error:
            with suppress(OSError):
                files.put_file(project.folder, path, None)
            raise DataError(f"{name} cannot be written to the disk ({error.strerror or error}).") from None
        return image.id
