"""All label formats by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cdpnet.labels import coco, cvat_writer, labelme, labelstudio, png_folder, voc, yolo
from cdpnet.labels.image_copies import place_images
from cdpnet.labels.label_set import FormatName, LabelFormat, LabelSet
from cdpnet.labels.regions import ImageLabels

FORMATS: dict[FormatName, LabelFormat] = {
    "png": png_folder.FORMAT,
    "coco": coco.FORMAT,
    "labelme": labelme.FORMAT,
    "yolo": yolo.FORMAT,
    "labelstudio": labelstudio.FORMAT,
    "cvat": cvat_writer.FORMAT,
    "voc": voc.FORMAT,
}


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
    """Write the labels of a few images: all files of the format."""
    for one in labels:
        write_image_labels(one, target, format_name)
    write_shared_files(lambda: labels, target, format_name)
