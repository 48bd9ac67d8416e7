"""Pascal VOC's segmentation: a PNG for each image in the colours of VOC, lists of images, and the names of classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from PIL import Image

from cdpnet.io.files import write_image as write_picture
from cdpnet.io.files import write_text
from cdpnet.io.label_folders import NAMES_FILE, VOC_MASKS
from cdpnet.labels.label_set import NOT_IN_LINES, LabelFormat, LabelSet
from cdpnet.labels.png_folder import MOST_CLASSES, number_classes
from cdpnet.labels.regions import ImageLabels
from cdpnet.labels.split import split_images

FOLDER, IMAGES, LISTS, MAP_FILE = VOC_MASKS, "JPEGImages", "ImageSets/Segmentation", "labelmap.txt"
_LIST_FILES = tuple(f"{LISTS}/{name}.txt" for name in ("train", "val", "trainval"))


def image_file(image: str) -> str:
    """The path of an image's mask, below the folder of labels."""
    return f"{FOLDER}/{Path(image).with_suffix('.png')}"


def write_image(labels: ImageLabels, target: LabelSet) -> None:
    """Write the mask of one image; its numbers are those of the lines of classes.txt, from 1."""
    mask = Image.fromarray(number_classes(labels, target.classes))  # a palette makes it one of indices
    mask.putpalette([value for number in range(256) for value in colour_of(number)])
    write_picture(mask, target.out / image_file(labels.image))


def write_shared(read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write classes.txt, the colours of the classes as CVAT's labelmap.txt has them, and the lists of images."""
    target.write_names()
    lines = ["# label:color_rgb:parts:actions"]
    for number, name in enumerate(("background", *target.classes)):
        lines.append(f"{name}:{','.join(map(str, colour_of(number)))}::")
    write_text("".join(f"{line}\n" for line in lines), target.out / MAP_FILE)
    images = [labels.image for labels in read_all()]
    for file, listed in zip(_LIST_FILES, (*split_images(images), images), strict=True):
        write_text("".join(f"{PurePosixPath(image).with_suffix('')}\n" for image in listed), target.out / file)


FORMAT = LabelFormat(
    "Pascal VOC",
    image_file,
    write_image,
    IMAGES,
    (NAMES_FILE, MAP_FILE, *_LIST_FILES),
    write_shared,
    NOT_IN_LINES,
    MOST_CLASSES,
)


def colour_of(number: int) -> tuple[int, int, int]:
    """VOC's colour of a class, RGB.

    Bits 0, 3 and 6 of the number are the highest of red, in this order; 1, 4 and 7 those of green, 2 and 5 of blue.
    """
    red, green, blue = (
        sum((number >> (3 * place + channel) & 1) << (7 - place) for place in range(3)) for channel in range(3)
    )
    return red, green, blue
