"""Images beside their labels, for formats that have a folder of images: links, or copies."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.files import atomic, real_path
from cdpnet.labels.label_set import LabelSet


def check_places(images: Iterable[str], target: LabelSet, folder: str, *, overwrite: bool) -> None:
    """DataError where another file has the place of an image, unless ``overwrite``, or images would be their own links.

    folder: of the images, below that of the labels.
    """
    if real_path(target.images) == real_path(target.out):
        raise DataError(f"This format has the images in {target.out / folder}; give --out a folder of its own.")
    if overwrite:
        return
    for image in images:
        source, place = target.images / image, target.out / folder / image
        if os.path.lexists(place) and not (_is_same(source, place) or _is_copy(source, place) or place.is_symlink()):
            raise DataError(f"{place} exists already and is not {source}; give another --out, or --overwrite.")


def place_images(images: Iterable[str], target: LabelSet, folder: str) -> None:
    """Link or copy images to a folder, unless they lie there. DataError where the disk allows no links."""
    for image in images:
        source, place = target.images / image, target.out / folder / image
        if _is_same(source, place) or _is_copy(source, place):
            continue
        if target.copy_images:
            with atomic(place) as temporary:
                shutil.copyfile(source, temporary)
        else:
            _link(source, place)


def _is_same(source: Path, place: Path) -> bool:
    """Whether a place, not what a link in it leads to, is that of the image itself."""
    return real_path(place.parent) / place.name == real_path(source)


def _is_copy(source: Path, place: Path) -> bool:
    return place.is_file() and not place.is_symlink() and filecmp.cmp(source, place)


def _link(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(os.path.relpath(real_path(source), real_path(place.parent)))
    except OSError as error:
        raise DataError(f"{place} cannot be a link ({error.strerror or error}); give --copy-images.") from None
