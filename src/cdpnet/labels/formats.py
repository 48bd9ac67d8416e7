"""All label formats by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from cdpnet.errors import DataError
from cdpnet.io.files import LONGEST_NAME
from cdpnet.labels import coco, cvat_writer, labelme, labelstudio, png_folder, voc, yolo
from cdpnet.labels.image_copies import place_images
from cdpnet.labels.label_set import NOT_IN_TEXT, FormatName, LabelFormat, LabelSet
from cdpnet.labels.regions import ImageLabels
from cdpnet.runtime.text import escape

FORMATS: dict[FormatName, LabelFormat] = {
    "png": png_folder.FORMAT,
    "coco": coco.FORMAT,
    "labelme": labelme.FORMAT,
    "yolo": yolo.FORMAT,
    "labelstudio": labelstudio.FORMAT,
    "cvat": cvat_writer.FORMAT,
    "voc": voc.FORMAT,
}


def unfit_name(image: str, format_name: FormatName) -> str:
    """The sentence that says why a format cannot hold the name of an image; empty where it can."""
    chosen = FORMATS[format_name]
    if found := chosen.not_in_names.search(image):
        if NOT_IN_TEXT.match(found[0]):
            return "Its name is not text in UTF-8; rename it."
        return f"Its name has the character {escape(found[0])}, which the format {format_name} cannot hold; rename it."
    if (
        chosen.image_file is not None
        and len(image) > LONGEST_NAME // 5  # a character has up to 4 bytes
        and len(os.fsencode(PurePosixPath(chosen.image_file(image)).name)) > LONGEST_NAME
    ):
        return f"Its name is too long for that of its label file, which has {LONGEST_NAME} bytes at most; rename it."
    return ""


def check_classes(classes: Sequence[str], format_name: FormatName) -> None:
    """DataError where a format cannot hold so many classes, or the name of one."""
    chosen = FORMATS[format_name]
    if chosen.most_classes is not None and len(classes) > chosen.most_classes:
        raise DataError(
            f"The format {format_name} holds {chosen.most_classes} classes at most, not {len(classes)}; take another."
        )
    for name in classes:
        if name and name == chosen.background:
            raise DataError(
                f"The format {format_name} has the name {name} for what is no object, so it cannot hold a class of "
                "this name; take another format, or learn the class under another name."
            )
        if found := chosen.not_in_names.search(name):
            raise DataError(
                f"The class {escape(name)} has the character {escape(found[0])} in its name, which the format "
                f"{format_name} cannot hold; take another format, or learn the class under another name."
            )


def check_names(images: Iterable[str], classes: Sequence[str], format_name: FormatName) -> None:
    """DataError where a format cannot hold the name of an image, or the classes."""
    check_classes(classes, format_name)
    for image in images:
        if reason := unfit_name(image, format_name):
            raise DataError(f"{escape(image)} cannot have labels: {reason}")


def write_image_labels(labels: ImageLabels, target: LabelSet, format_name: FormatName) -> None:
    """Write the label file of one image, if the format has one for each image."""
    write = FORMATS[format_name].write_image
    if write is not None:
        write(labels, target)


def write_shared_files(
    read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet, format_name: FormatName
) -> None:
    """Write the files that hold the labels or the class names of all images, if the format has such files.

    Where the format has a folder of images, they are linked or copied to it first.

    read_all: returns the labels of all images in order; it may be called more than once.
    """
    if folder := FORMATS[format_name].images_folder:
        place_images((labels.image for labels in read_all()), target, folder)
    write = FORMATS[format_name].write_shared
    if write is not None:
        write(read_all, target)


def write_labels(labels: Sequence[ImageLabels], target: LabelSet, format_name: FormatName) -> None:
    """Write the labels of a few images: all files of the format. DataError, before, as `check_names`."""
    check_names((one.image for one in labels), target.classes, format_name)
    for one in labels:
        write_image_labels(one, target, format_name)
    write_shared_files(lambda: labels, target, format_name)
