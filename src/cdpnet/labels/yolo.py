"""YOLO's segmentation labels: a text file for each image, a line for each connected part of a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import yaml

from cdpnet.errors import DataError
from cdpnet.io.documents import read_yaml
from cdpnet.io.fields import FieldError
from cdpnet.io.files import read_text, write_text
from cdpnet.labels.label_set import NAMES_FILE, LabelFormat, LabelSet
from cdpnet.labels.outlines import trace_outlines
from cdpnet.labels.regions import ImageLabels, region_from_outlines
from cdpnet.labels.split import split_images

LABELS, IMAGES, DATA_FILE = "labels", "images", "data.yaml"
LIST_FILES = ("train.txt", "val.txt")
_MIN_FIELDS = 7  # of a line: the class number and three points x y
_IN_PIXEL = 0.499  # added to the number of a pixel; tools that round and tools that cut off get it again


def image_file(image: str) -> str:
    """The path of an image's label file, below the folder of labels, where trainers look for it.

    They replace the last folder ``images`` in the path of an image by ``labels``.
    """
    head, _, tail = f"/{IMAGES}/{image}".rpartition(f"/{IMAGES}/")
    return f"{head}/{LABELS}/{PurePosixPath(tail).with_suffix('.txt')}".removeprefix("/")


def write_image(labels: ImageLabels, target: LabelSet) -> None:
    """Write the file of one image; it is empty for an image without regions. Points are fractions of width, height."""
    lines = []
    for region in labels.regions:
        number = target.classes.index(region.label)
        for outline in trace_outlines(labels.mask(region)):
            fractions = ((outline + _IN_PIXEL) / (labels.width, labels.height)).ravel()
            lines.append(" ".join([str(number), *(f"{fraction:.8f}" for fraction in fractions)]))
    write_text("".join(f"{line}\n" for line in lines), target.out / image_file(labels.image))


def write_shared(read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write the names of the classes, as classes.txt and as YOLO's data.yaml, and the lists of images it names."""
    target.write_names()
    lists = split_images([labels.image for labels in read_all()])
    for name, images in zip(LIST_FILES, lists, strict=True):
        write_text("".join(f"./{IMAGES}/{image}\n" for image in images), target.out / name)
    # Without an entry for the folder it is that of the file.
    content = {"train": LIST_FILES[0], "val": LIST_FILES[1], "names": dict(enumerate(target.classes))}
    write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), target.out / DATA_FILE)


FORMAT = LabelFormat("YOLO", image_file, write_image, IMAGES, (NAMES_FILE, DATA_FILE, *LIST_FILES), write_shared)


def read(path: Path, size: tuple[int, int], image: str) -> ImageLabels:
    """The regions of a file. size: H, W of the image. DataError for a line that is not an outline."""
    names, regions = read_names_near(path), []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            fractions = [float(field) for field in fields[1:]]
            label = names.get(int(fields[0]), fields[0])
        except ValueError:
            raise DataError(f"Line {number} of {path} is not a class number followed by numbers.") from None
        if len(fields) < _MIN_FIELDS or len(fields) % 2 == 0:
            raise DataError(
                f"Line {number} of {path} has {len(fields)} numbers; an outline is a class number and at least three "
                "points x y, and a box does not say which pixels belong to the object."
            )
        points = [fraction * size[i % 2 == 0] for i, fraction in enumerate(fractions)]
        try:
            regions.append(region_from_outlines([points], size, label))
        except FieldError as error:
            raise DataError(f"Line {number} of {path} is not an outline: {error}.") from None
    return ImageLabels(image, *size, tuple(regions))


def read_names_near(path: Path) -> dict[int, str]:
    """Class names by number, from data.yaml or classes.txt in the folder of a label file or up to two folders above.

    Empty where there is no such file.
    """
    for folder in list(path.resolve().parents)[:3]:
        if (folder / DATA_FILE).is_file():
            return _read_data_file(folder / DATA_FILE)
        if (folder / NAMES_FILE).is_file():
            return dict(enumerate(line.strip() for line in read_text(folder / NAMES_FILE).splitlines()))
    return {}


def _read_data_file(path: Path) -> dict[int, str]:
    content = read_yaml(path)
    names = content.get("names") if isinstance(content, dict) else None
    try:
        if isinstance(names, list):
            names = dict(enumerate(names))
        if not isinstance(names, dict) or any(isinstance(name, (list, dict)) for name in names.values()):
            raise TypeError
        return {int(number): str(name) for number, name in names.items()}
    except (TypeError, ValueError, OverflowError):  # a number or a name that is of another kind, or too long
        raise DataError(f"{path} has no list of class names as YOLO's data.yaml has.") from None
