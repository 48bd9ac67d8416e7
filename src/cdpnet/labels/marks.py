"""The mask of a class in one image, from a mask or from a label file about that image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.io.files import read_text
from cdpnet.io.images import open_image
from cdpnet.io.label_folders import NAMES_FILE
from cdpnet.labels import labelme_reader, yolo_reader
from cdpnet.labels.mask_pixels import NoSuchLevelError, holds_classes
from cdpnet.labels.orientation import fit, labelled_size
from cdpnet.labels.pairing import LABEL_FILES
from cdpnet.labels.png import EmptyMaskError, read_mask
from cdpnet.labels.reading_notes import Note, summarise
from cdpnet.labels.reading_options import ReadingOptions
from cdpnet.labels.regions import ImageLabels
from cdpnet.runtime.text import listed

_MOST_NAMES = 20  # of a file that an error message lists


class NotShownError(DataError):
    """A file that does not show the class that is asked for."""


class Marks(NamedTuple):
    """The mask of a class, (H, W), at the size of its image: 0, 1 and 255 for ignored pixels; notes on its file."""

    mask: NDArray[np.uint8]
    notes: tuple[Note, ...] = ()


def read_marks(image: Path, annotations: Path, label: str, options: ReadingOptions) -> Marks:
    """The mask of a class in an image.

    annotations: a mask or a label file of LabelMe or YOLO. label: what the class is called there; in masks of numbers
    whose folder, or the one above, has a classes.txt, its line. NotShownError where the class is not there, another
    DataError where something cannot be read.
    """
    if annotations.suffix.lower() not in LABEL_FILES:
        return Marks(_read_mask_file(image, annotations, label, options))
    labels = _read_label_file(image, annotations, options)
    if label not in labels.class_names:
        raise unknown_label(label, annotations, labels.class_names, labels.notes)
    mask = labels.class_mask(label)
    if not mask.any():
        raise NotShownError(f"{annotations} marks no pixel of {image} as {label!r}.")
    return Marks(fit(mask, image, options.exif), labels.notes)


def unknown_label(
    label: str, annotations: Path, class_names: Sequence[str], notes: Iterable[Note] = ()
) -> NotShownError:
    """The error for a label that a file lacks."""
    shown = listed([name[:80] for name in class_names], _MOST_NAMES)
    labels = f"it has {shown}" if class_names else "it has no labels"
    found = "; ".join([labels, *summarise(notes)])
    return NotShownError(
        f"{annotations} has no label {label!r}: {found}; give --label the name that the class has in the file."
    )


def _read_mask_file(image: Path, mask: Path, label: str, options: ReadingOptions) -> NDArray[np.uint8]:
    opened = open_image(image)
    if options.index is None and options.colour is None and holds_classes(open_image(mask)):
        options = replace(options, index=_index_of(label, mask))
    try:
        return read_mask(mask, (opened.height, opened.width), options=options, image=image).numpy()
    except (NoSuchLevelError, EmptyMaskError) as error:
        raise NotShownError(str(error)) from None


def _index_of(label: str, mask: Path) -> int | None:
    """The number of a class in a mask, from the list of names in its folder or the one above; None without a list."""
    for folder in list(mask.resolve().parents)[:2]:
        if (folder / NAMES_FILE).is_file():
            names = [line.strip() for line in read_text(folder / NAMES_FILE).splitlines()]
            return 1 + names.index(label) if label in names else None
    return None


def _read_label_file(image: Path, annotations: Path, options: ReadingOptions) -> ImageLabels:
    """The labels in a file that belongs to one image."""
    if annotations.suffix.lower() == ".txt":
        return yolo_reader.read(annotations, labelled_size(image, options.exif), image.name)
    return labelme_reader.read(read_json(annotations), annotations, image)
