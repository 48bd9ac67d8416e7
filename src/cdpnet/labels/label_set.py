"""What every label format shares: where labels go, the names of the classes, and how a format is described."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cdpnet.errors import DataError
from cdpnet.io.files import read_text, write_text
from cdpnet.io.images import open_image
from cdpnet.io.label_folders import NAMES_FILE
from cdpnet.labels.orientation import stored_size
from cdpnet.labels.regions import ImageLabels

NOT_IN_TEXT = re.compile("[\ud800-\udfff]")  # what stands in the name of a file for bytes that are not UTF-8
BACKGROUND = "_background_"  # what LabelMe, and some tools of YOLO, call what is no object
NOT_IN_LINES = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029\ud800-\udfff]")  # where names are one a line
FormatName = Literal["png", "coco", "labelme", "yolo", "labelstudio", "cvat", "voc"]


@dataclass(frozen=True)
class Control:
    """How the labelling configuration of a Label Studio project names its parts.

    from_name: the control that masks belong to, a BrushLabels. to_name: the Image that it labels. data_key: the entry
    of a task that has the address of the image.
    """

    from_name: str = "labels"
    to_name: str = "image"
    data_key: str = "image"


@dataclass(frozen=True)
class LabelSet:
    """Labels of a folder of images.

    images: the folder of images. out: the folder that the labels are written to. classes: the names of all classes in
    order; formats that number classes count from 1 (PNG, COCO, VOC) or from 0 (YOLO). copy_images: formats that have
    a folder of images get copies, not links. control, model_version: of Label Studio's predictions.
    """

    images: Path
    out: Path
    classes: tuple[str, ...]
    copy_images: bool = False
    control: Control = Control()
    model_version: str = "cdpnet"

    def write_names(self) -> None:
        """Write the names of the classes to classes.txt, one a line."""
        write_text("".join(f"{name}\n" for name in self.classes), self.out / NAMES_FILE)


def keep_order(out: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes in the order of the classes.txt of an earlier run, if there is one; new ones come last.

    So a class keeps its number. Classes of the file that are not among ``classes`` stay.
    """
    path = out / NAMES_FILE
    earlier = read_text(path).splitlines() if path.is_file() else []
    return tuple(dict.fromkeys([*(name for name in earlier if name.strip()), *classes]))


def check_image_size(image: Path, size: tuple[int, int], labels: Path) -> None:
    """DataError where an image has another size, H, W, than its label file states, or cannot be opened.

    The size may be that of the image as it is stored, before its EXIF tag turns it.
    """
    found = open_image(image)
    if size not in ((found.height, found.width), stored_size(image)):
        raise DataError(
            f"{labels} is for an image of {size[1]} x {size[0]} pixels and {image} has {found.width} x {found.height}; "
            "label the image at its own size."
        )


@dataclass(frozen=True)
class LabelFormat:
    """How labels are stored on disk; each module of a format defines one as ``FORMAT``.

    title: the name that people know the format by. A format has files per image, shared files, or both:
    image_file gives the path of an image's label file, below the folder of labels, from the path of the image;
    write_image writes that file. images_folder is where the format has the images themselves, below the folder of
    labels; empty where they may lie anywhere. shared_files lists the files that write_shared makes from the labels of
    all images; the function it is given returns them in order, and may be called again for another pass.
    not_in_names: the characters that no name of an image or a class may have. most_classes: None for any number.
    background: the name of a class whose regions are not read as objects.
    """

    title: str
    image_file: Callable[[str], str] | None = None
    write_image: Callable[[ImageLabels, LabelSet], None] | None = None
    images_folder: str = ""
    shared_files: tuple[str, ...] = ()
    write_shared: Callable[[Callable[[], Iterable[ImageLabels]], LabelSet], None] | None = None
    not_in_names: re.Pattern[str] = NOT_IN_TEXT
    most_classes: int | None = None
    background: str = ""
