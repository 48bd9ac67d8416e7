"""Read label files that are about all images of a folder: those of COCO, Label Studio and CVAT."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cdpnet.data.readers.coco import CocoReader, open_coco_json
from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.labels import coco, cvat_reader, cvat_writer, labelstudio, labelstudio_reader
from cdpnet.labels.label_set import check_image_size
from cdpnet.labels.labelled_folder import ImageFolder, LabelledFolder
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.regions import ImageLabels, Region


def read_coco(source: Path, images: ImageFolder) -> LabelledFolder:
    """COCO's file; an annotation is a region. Crowds are left out unless the options take them as regions, too."""
    path = source / coco.FILE if source.is_dir() else source
    reader = open_coco_json(path, images.path)
    matches, missing = images.match(reader.identifiers("train"), path)
    found = LabelledFolder("coco", reader.class_names, file_notes=missing)
    for identifier, image in matches.items():
        read = partial(_read_coco_image, reader, identifier, path, crowd=images.options.crowd)
        found.add(images, read, image)
    return found


def _read_coco_image(reader: CocoReader, identifier: str, path: Path, image: Path, *, crowd: bool) -> ImageLabels:
    size = reader.size("train", identifier)
    check_image_size(image, size, path)
    objects = reader.regions("train", identifier)
    regions = [
        Region(reader.class_names[found.number - 1], found.mask["counts"].decode(), found.score)
        for found in objects
        if crowd or not found.is_crowd
    ]
    n_crowds = len(objects) - len(regions)
    notes = (Note("crowd regions are left out", n_crowds),) if n_crowds else ()
    return ImageLabels(image.name, *size, tuple(regions), notes)


def read_label_studio(source: Path, images: ImageFolder) -> LabelledFolder:
    """Label Studio's export; of several annotations of an image by default the newest."""
    path = source / labelstudio.FILE if source.is_dir() else source
    content = labelstudio_reader.find_tasks(read_json(path))
    if content is None:
        raise DataError(f"{path} is not a Label Studio export, which is a list of tasks.")
    file = labelstudio_reader.read(content, path, images.options)
    matches, missing = images.match([task.image for task in file.tasks], path)
    found = LabelledFolder("labelstudio", file_notes=(*file.notes, *missing))
    for task in (task for task in file.tasks if task.image in matches):
        found.add(images, task.read, matches[task.image])
    return found


def read_cvat(source: Path, images: ImageFolder) -> LabelledFolder:
    """CVAT's file."""
    path = source / cvat_writer.FILE if source.is_dir() else source
    file = cvat_reader.read(path)
    matches, missing = images.match([entry.image for entry in file.images], path)
    found = LabelledFolder("cvat", tuple(file.class_names), file_notes=missing)
    for entry in (entry for entry in file.images if entry.image in matches):
        found.add(images, entry.read, matches[entry.image])
    return found
