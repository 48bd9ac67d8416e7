"""Steps of the history are about a project of before: each is fitted to what the project has become."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import chain, count
from pathlib import Path, PurePosixPath

from cdpnet.projects.document import Document, ProjectClass, ProjectImage, Record
from cdpnet.projects.folder import IMAGES, mask_path
from cdpnet.projects.history import Change


def fit(change: Change, document: Document, folder: Path) -> tuple[Change, dict[str, str]]:
    """The change, in which an image has its present name, and comes back under a free one where another has its name.

    Gives also the names of images that come back so: the new ones by those that they had.
    """
    renamed: dict[str, str] = {}
    paths: dict[str, str] = {}  # where files of images and masks lie now, by where they lay
    records: dict[str, Record | None] = {}
    for key, record in change.records.items():
        present = document.record(key)
        if isinstance(record, ProjectImage):
            file = present.file if isinstance(present, ProjectImage) else _free_name(record, change, document, folder)
            image = replace(record, file=file, reason=record.reason.replace(record.file, file))
            paths |= {f"{IMAGES}/{record.file}": f"{IMAGES}/{file}", mask_path(record): mask_path(image)}
            if present is None and file != record.file:
                renamed[record.file] = file
            record = image
        records[key] = _renewed(record, present)
    contents = {paths.get(path, path): content for path, content in change.files.items()}
    pictures = {source: paths.get(target, target) for source, target in change.pictures.items()}
    return Change(records, contents, pictures), renamed


def _free_name(image: ProjectImage, change: Change, document: Document, folder: Path) -> str:
    """The name of an image that comes back: its own, or one with a number where that is taken."""
    others = document.images.values()
    files, masks = {other.file for other in others}, {other.mask_file for other in others if not image.reason}
    targets = {target for source, target in change.pictures.items() if os.path.lexists(folder / source)}
    has_file = f"{IMAGES}/{image.file}" in targets  # if not, what lies in its place may be put back by hand

    def is_free(file: str) -> bool:
        mask = replace(image, file=file).mask_file
        return file not in files and mask not in masks and not (has_file and os.path.lexists(folder / IMAGES / file))

    path = PurePosixPath(image.file)
    numbered = (path.with_stem(f"{path.stem}-{number}").as_posix() for number in count(2))
    return next(filter(is_free, chain([image.file], numbered)))


def _renewed(record: Record | None, present: Record | None) -> Record | None:
    """A record that takes the place of the present one, and keeps what is known of its file.

    An image gets a new revision, at which a person has touched it, and stays unusable if it is; a class keeps its class
    file.
    """
    if isinstance(record, ProjectImage) and isinstance(present, ProjectImage):
        revision, reason = max(record.revision, present.revision) + 1, present.reason
        touched = revision if record.edited or record.review else 0
        record = replace(record, revision=revision, touched=touched, reason=reason)
        return replace(record, height=present.height, width=present.width)
    if isinstance(record, ProjectClass) and isinstance(present, ProjectClass):
        return replace(record, learned=present.learned, pooled=present.pooled, reason=present.reason)
    return record
