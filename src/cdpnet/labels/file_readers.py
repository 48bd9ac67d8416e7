"""Read folders of labels in the formats that have a file for each image."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from cdpnet.data.readers.voc import VOC_CLASSES
from cdpnet.io.documents import read_json
from cdpnet.labels import labelme, labelme_reader, png_folder, voc, yolo, yolo_reader
from cdpnet.labels.labelled_folder import ImageFolder, LabelledFolder
from cdpnet.labels.number_masks import read_colour_map, read_colours, read_names, read_numbers
from cdpnet.labels.orientation import labelled_size
from cdpnet.labels.reading_options import Exif
from cdpnet.labels.regions import ImageLabels
from cdpnet.labels.yolo_names import DATA_FILE, DataSet, read_data_near


def read_labelme(source: Path, images: ImageFolder) -> LabelledFolder:
    """LabelMe's files."""
    pairs, unclear, notes = images.with_files(source, labelme.image_file)
    found = LabelledFolder("labelme", failed=unclear, file_notes=notes)
    for image, file in pairs:
        found.add(images, partial(_read_labelme_file, file), image)
    return found


def _read_labelme_file(file: Path, image: Path) -> ImageLabels:
    return labelme_reader.read(read_json(file), file, image)


def read_yolo(source: Path, images: ImageFolder) -> LabelledFolder:
    """YOLO's text files; classes are named by the data set of the folder, or else of the first file."""
    pairs, unclear, notes = images.with_files(source, yolo.image_file)
    data = read_data_near(source / yolo.LABELS / DATA_FILE) if source.is_dir() else DataSet()
    if data.source is None and pairs:
        data = read_data_near(pairs[0][1])
    names = tuple(data.names[number] for number in sorted(data.names))
    found = LabelledFolder("yolo", names, failed=unclear, file_notes=notes)
    for image, file in pairs:
        found.add(images, partial(_read_yolo_file, file, data, images.options.exif), image)
    return found


def _read_yolo_file(file: Path, data: DataSet, exif: Exif, image: Path) -> ImageLabels:
    return yolo_reader.read(file, labelled_size(image, exif), image.name, data)


def read_png(source: Path, images: ImageFolder) -> LabelledFolder:
    """Masks of the numbers of classes.txt."""
    names = read_names(_root(source, png_folder.FOLDER))
    pairs, unclear, notes = images.with_files(source, png_folder.image_file)
    found = LabelledFolder("png", names, failed=unclear, file_notes=notes)
    for image, file in pairs:
        found.add(images, partial(read_numbers, file, names), image)
    return found


def read_voc(source: Path, images: ImageFolder) -> LabelledFolder:
    """Masks of the colours of labelmap.txt, or else of the numbers of classes.txt, or else of VOC's own numbers."""
    root = _root(source, voc.FOLDER)
    masks = root / voc.FOLDER if (root / voc.FOLDER).is_dir() else source
    pairs, unclear, notes = images.with_files(masks, lambda name: str(PurePosixPath(name).with_suffix(".png")))
    if (root / voc.MAP_FILE).is_file():
        colours = read_colour_map(root / voc.MAP_FILE)
        found = LabelledFolder("voc", tuple(colours.values()), failed=unclear, file_notes=notes)
        for image, file in pairs:
            found.add(images, partial(read_colours, file, colours), image)
        return found
    names = read_names(root) or tuple(name for name, _ in VOC_CLASSES)
    found = LabelledFolder("voc", names, failed=unclear, file_notes=notes)
    for image, file in pairs:
        found.add(images, partial(read_numbers, file, names), image)
    return found


def _root(source: Path, folder: str) -> Path:
    """The folder of all files of a format, where the source is its folder of masks, or a mask in there."""
    return next((path.parent for path in (source, *source.parents) if path.name == folder), source)
