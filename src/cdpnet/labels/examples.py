"""Examples of a class, read from masks and from the label files of COCO, LabelMe, YOLO and Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.coco_file import CocoFile, parse_coco
from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.io.fields import FieldError
from cdpnet.io.files import real_path, regular_file
from cdpnet.labels import coco, cvat_reader, labelstudio_reader
from cdpnet.labels.image_paths import key, match_images
from cdpnet.labels.marks import NotShownError, read_marks, unknown_label
from cdpnet.labels.orientation import fit
from cdpnet.labels.pairing import LABEL_FILES, FileSet, Pair, pair
from cdpnet.labels.reading_notes import Note, summarise
from cdpnet.labels.reading_options import DEFAULT, ReadingOptions
from cdpnet.labels.support_paths import find_support_images, find_support_marks
from cdpnet.runtime.notes import note
from cdpnet.runtime.text import form, listed


@dataclass(frozen=True, eq=False)
class Example:
    """An image and the mask of a class in it, (H, W) with 0, 1 and 255 for ignored pixels."""

    image: Path
    mask: NDArray[np.uint8]


def read_examples(images: Path, annotations: Path, label: str, options: ReadingOptions = DEFAULT) -> list[Example]:
    """The examples of a class.

    images: one image, or a folder or a pattern such as ``a/*.jpg``, of which all images that show the class are read.
    annotations: a mask; a JSON file of COCO, LabelMe or Label Studio; a text file of YOLO; or a folder or a pattern of
    masks and label files that have the names of the images. label: what the class is called in label files.

    Of several images, those that cannot be read or are not marked are left out, and a note says so. DataError where
    images and annotations do not fit together, or the class is in none.
    """
    found = find_support_images(images, annotations)
    marks = find_support_marks(annotations, found)
    if marks.files == [annotations]:
        return _from_file(found, annotations, label, options)
    pairs = pair(found, marks)
    shared = [path for path in marks.files if path.suffix.lower() == ".json"]
    shared += annotations.rglob("*.xml") if annotations.is_dir() else []
    if not pairs and len(shared) == 1:
        return _from_file(found, shared[0], label, options)
    if not pairs:
        raise DataError(f"No file in {annotations} has the name of an image in {images} and shows {label!r}.")
    _note_unpaired(found, pairs, annotations)
    if images.is_dir():
        _note_without_image(marks, found)
    return _from_pairs(pairs, annotations, images, label, options)


def _from_file(images: FileSet, annotations: Path, label: str, options: ReadingOptions) -> list[Example]:
    """The examples of one file, which may be about several images."""
    content = None
    if annotations.suffix.lower() == ".json":
        content = _read_content(annotations, regular_file(annotations, "a text file").stat().st_mtime_ns)
    if isinstance(content, CocoFile):
        return _from_coco(content, images, label, options)
    if isinstance(content, list):
        tasks, notes = labelstudio_reader.read(content, annotations, options)
        return _from_entries(tasks, notes, images, annotations, label, options)
    if annotations.suffix.lower() == ".xml":
        found = cvat_reader.read(annotations).images
        left_out = [note for image in found for note in image.notes]
        return _from_entries(found, left_out, images, annotations, label, options)
    if len(images.files) > 1 and content is not None and not (isinstance(content, dict) and "shapes" in content):
        raise DataError(f"{annotations} is JSON of no kind that is read: COCO, LabelMe and Label Studio are.")
    if len(images.files) > 1:
        raise DataError(f"{annotations} labels one image, and {images.folder} has several; give the image itself.")
    (image,) = images.files
    mask, said = read_marks(image, annotations, label, options)
    _say(said, annotations)
    return [Example(image, mask)]


@lru_cache(maxsize=1)
def _read_content(path: Path, changed: int) -> object:  # noqa: ARG001 - a changed file is read again
    """What a JSON file holds; kept for the next image that it labels, since such files may be large."""
    content = read_json(path)
    if (tasks := labelstudio_reader.find_tasks(content)) is not None:
        return tasks
    return parse_coco(content, path) if isinstance(content, dict) and "annotations" in content else content


def _from_pairs(
    pairs: Sequence[Pair], annotations: Path, images: Path, label: str, options: ReadingOptions
) -> list[Example]:
    """The examples of pairs; those that do not show the class, or cannot be read, are left out with a note."""
    examples, absent, broken, notes = [], [], [], list[Note]()
    for image, marks in pairs:
        try:
            mask, notes_of_file = read_marks(image, marks, label, options)
            examples.append(Example(image, mask))
            notes += notes_of_file
        except NotShownError as error:
            absent.append((image, error))
        except DataError as error:
            broken.append(error)
    if not examples and broken:
        raise broken[0]
    if not examples:
        raise DataError(
            f"No file in {annotations} has the name of an image in {images} and shows {label!r}. {absent[0][1]}"
        )
    _say(notes, annotations)
    _note_left_out(broken)
    if absent:
        unmarked = listed([image for image, _ in absent])
        note(f"{label!r} is not marked in {unmarked}; {form(len(absent), 'it is', 'they are')} left out.")
    return examples


def _note_left_out(broken: Iterable[DataError]) -> None:
    for reason in broken:
        note(f"An example is left out: {reason}")


def _say(notes: Iterable[Note], annotations: Path) -> None:
    for sentence in summarise(notes):
        note(f"{annotations}: {sentence}.")


def _note_unpaired(images: FileSet, pairs: Sequence[Pair], annotations: Path) -> None:
    paired = {image for image, _ in pairs}
    if unpaired := [image for image in images.files if image not in paired]:
        are = form(len(unpaired), "it is", "they are")
        note(f"No file in {annotations} has the name of {listed(unpaired)}; {are} left out.")


def _note_without_image(marks: FileSet, images: FileSet) -> None:
    """Say which masks have no image; a text or JSON file without one may be about something else."""
    names = {key(image.stem) for image in images.files}
    masks = [file for file in marks.files if file.suffix.lower() not in LABEL_FILES]
    if unpaired := [file for file in masks if key(file.stem) not in names]:
        are = form(len(unpaired), "it is", "they are")
        note(f"No image in {images.folder} has the name of {listed(unpaired)}; {are} left out.")


def _from_coco(content: CocoFile, images: FileSet, label: str, options: ReadingOptions) -> list[Example]:
    class_names = tuple(category.name for category in content.categories)
    if label not in class_names:
        raise unknown_label(label, content.path, class_names)
    examples = _read_each(coco.find_masks(content, images.files, images.folder, label, options), options)
    shown = [example for example in examples if (example.mask == 1).any()]
    return _some(shown, images, content.path, label)


class _Entry(Protocol):
    """What a file about several images says about one: a task of Label Studio, or an image of CVAT."""

    @property
    def image(self) -> str: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    def read_mask(self, image: Path, label: str) -> NDArray[np.uint8]: ...


def _from_entries(
    entries: Sequence[_Entry],
    notes: Sequence[Note],
    images: FileSet,
    annotations: Path,
    label: str,
    options: ReadingOptions,
) -> list[Example]:
    class_names = tuple(dict.fromkeys(name for entry in entries for name in entry.class_names))
    if label not in class_names:
        raise unknown_label(label, annotations, class_names, notes)
    _say(notes, annotations)
    try:
        paths = match_images([entry.image for entry in entries], images.files, images.folder)
    except FieldError as error:
        raise DataError(f"{annotations}: {error}.") from None
    shown = [(entry, paths[entry.image]) for entry in entries if entry.image in paths and label in entry.class_names]
    masks = [(path, partial(entry.read_mask, path, label)) for entry, path in shown]
    return _some(_read_each(masks, options), images, annotations, label)


def _read_each(masks: Iterable[tuple[Path, Callable[[], NDArray[np.uint8]]]], options: ReadingOptions) -> list[Example]:
    """The examples of images; those that cannot be read are left out with a note. DataError if none can."""
    examples, broken = [], []
    for image, read_mask in masks:
        try:
            examples.append(Example(image, fit(read_mask(), image, options.exif)))
        except DataError as error:
            broken.append(error)
    if broken and not examples:
        raise broken[0]
    _note_left_out(broken)
    return examples


def one_an_image(examples: Iterable[Example]) -> list[Example]:
    """The examples, those of one image put together: what is marked in one, and else ignored in one."""
    found: dict[Path, Example] = {}
    for example in examples:
        file, mask = real_path(example.image), example.mask
        if (other := found.get(file)) is not None:
            note(f"{example.image} is labelled several times, and is one example; what is marked once is marked.")
            mask = np.where((mask == 1) | (other.mask == 1), np.uint8(1), np.maximum(mask, other.mask))
        found[file] = Example(example.image, mask)
    return list(found.values())


def _some(examples: Iterable[Example], images: FileSet, annotations: Path, label: str) -> list[Example]:
    """The examples of a file. DataError if there are none."""
    found = one_an_image(examples)
    if not found:
        where = str(images.files[0]) if len(images.files) == 1 else str(images.folder)
        raise DataError(f"{annotations} shows {label!r} in no image of {where}.")
    return found
