"""Pair the images of one folder with the masks or label files of another, by their names."""

from __future__ import annotations

import filecmp
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cdpnet.errors import DataError
from cdpnet.io.files import real_path
from cdpnet.io.images import ENDINGS
from cdpnet.io.label_folders import JOURNAL, THUMBNAILS
from cdpnet.labels.image_paths import common_tail, key
from cdpnet.runtime.text import alternatives

LABEL_FILES = (".json", ".txt")
"""Endings of label files of one image each, in the order in which they are preferred; masks come before them."""
_LAYOUT = ("images", "labels")  # folders of YOLO's layouts, under train and valid or above them
_LIST_FILES = ("classes.txt", "failed.txt")  # which belong to no image


class FileSet(NamedTuple):
    """Files, and the folder that their relative paths start from."""

    files: Sequence[Path]
    folder: Path


class _Fit(NamedTuple):
    """How well a file fits an image: how many parts at the end of their paths are equal; the greater is better."""

    below: int
    """Of the paths below the folders of the images and of the files."""
    whole: int
    """Of the whole paths without `_LAYOUT`."""


class Pair(NamedTuple):
    """An image and the file that marks it."""

    image: Path
    marks: Path


def find_marks(folder: Path, images: Path) -> list[Path]:
    """The masks and label files of a folder and its subfolders, sorted, without those in the folder of the images.

    Thumbnails of a labelling job are no masks.
    """
    here, there = folder.resolve(), images.resolve()
    others = [there] if there != here and there.is_relative_to(here) else []
    others += [journal.with_name(THUMBNAILS) for journal in here.rglob(JOURNAL)]
    files = (path for path in folder.rglob("*") if path.suffix.lower() in (*ENDINGS, *LABEL_FILES))
    return sorted(path for path in files if path.is_file() and not _is_left_out(path, folder, others))


def _is_left_out(path: Path, folder: Path, others: Sequence[Path]) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return hidden or path.name in _LIST_FILES or any(path.resolve().is_relative_to(other) for other in others)


def pair(images: FileSet, marks: FileSet) -> list[Pair]:
    """As `match_files`. DataError, naming both, where two files fit an image equally well, or one file two images."""
    pairs, unclear = match_files(images, marks)
    for reason in unclear.values():
        raise DataError(reason)
    return pairs


def match_files(images: FileSet, marks: FileSet) -> tuple[list[Pair], dict[Path, str]]:
    """The images that have a file of their name, with it, and those for which it is not clear which, with the reason.

    Names are compared without endings, upper and lower case alike. Of several files of one name, that with the longest
    common end of the path below the folders is meant, then that with the longest common end of the whole path, in which
    folders that only tell images and labels apart do not count: train/images/a.jpg goes with train/labels/a.txt. Of
    files that differ in their ending it is a mask before a label file; an image is no mask of itself.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in marks.files:
        by_name[key(path.stem)].append(path)
    best: dict[Path, tuple[_Fit, Path]] = {}
    unclear: dict[Path, str] = {}
    for image in images.files:
        try:
            if (found := _best_marks(image, images.folder, by_name[key(image.stem)], marks.folder)) is not None:
                best[image] = found
        except DataError as error:
            unclear[image] = str(error)
    return list(_without_rivals(best, unclear)), unclear


def _best_marks(image: Path, folder: Path, candidates: Sequence[Path], marks_folder: Path) -> tuple[_Fit, Path] | None:
    """The file that marks an image, with how well it fits; None where there is none."""
    fitting = [(_fit(image, folder, path, marks_folder), path) for path in candidates if not _is_same(path, image)]
    if not fitting:
        return None
    best = max(fit for fit, _ in fitting)
    files = [path for fit, path in fitting if fit == best]
    if len({_parts(path, marks_folder) for path in files}) > 1:
        raise DataError(f"{image} may be marked by {alternatives(files)}; give the folder of the one that is meant.")
    preferred = min(files, key=_preference)
    rivals = [path for path in files if _preference(path) == _preference(preferred)]
    if len(rivals) > 1:
        raise DataError(f"{image} may be marked by {alternatives(rivals)}; keep one of them.")
    return best, preferred


def _without_rivals(best: Mapping[Path, tuple[_Fit, Path]], unclear: dict[Path, str]) -> Iterator[Pair]:
    """The pairs without images whose file fits another image better. unclear: gets those that fit equally well."""
    images_of: dict[Path, list[Path]] = defaultdict(list)
    for image, (_, marks) in best.items():
        images_of[marks].append(image)
    for image, (fit, marks) in best.items():
        highest = max(best[other][0] for other in images_of[marks])
        rivals = [other for other in images_of[marks] if best[other][0] == highest]
        if fit == highest and len(rivals) > 1:
            unclear[image] = f"{marks} may mark {alternatives(rivals)}; give the folder of the one that is meant."
        elif fit == highest:
            yield Pair(image, marks)


def _fit(image: Path, folder: Path, marks: Path, marks_folder: Path) -> _Fit:
    below = common_tail(_parts(image, folder), _parts(marks, marks_folder))
    whole = ([part for part in _whole(path) if part not in _LAYOUT] for path in (image, marks))
    return _Fit(below, common_tail(*whole))


def _whole(path: Path) -> tuple[str, ...]:
    """The parts of a path from the root on, without the ending; links stay as they are named."""
    return _parts(Path(os.path.abspath(path)), Path(path.anchor or os.sep))  # noqa: PTH100


def _parts(path: Path, folder: Path) -> tuple[str, ...]:
    """The parts of a path below a folder, without the ending."""
    relative = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    return tuple(key(part) for part in relative.with_suffix("").parts)


def _preference(path: Path) -> int:
    """The place of a file among those of one name: masks, then label files."""
    ending = path.suffix.lower()
    return 1 + LABEL_FILES.index(ending) if ending in LABEL_FILES else 0


def _is_same(path: Path, image: Path) -> bool:
    """Whether a file is the image itself, or a copy of it, as tools put beside their label files."""
    return real_path(path) == real_path(image) or (
        path.suffix.lower() == image.suffix.lower() and filecmp.cmp(path, image, shallow=False)
    )
