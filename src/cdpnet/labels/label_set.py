"""What every label format shares: where labels go, the names of the classes, and how a format is described."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cdpnet.errors import DataError
from cdpnet.io.files import write_text
from cdpnet.io.images import open_image
from cdpnet.labels.orientation import stored_size
from cdpnet.labels.regions import ImageLabels

NAMES_FILE = "classes.txt"
FormatName = Literal["png", "coco", "labelme", "yolo", "labelstudio"]


@dataclass(frozen=True)
class LabelSet:
    """Labels of a folder of images.

    images: the folder of images. out: the folder that the labels are written to. classes: the names of all classes in
    order; formats that number classes count from 1 (PNG, COCO) or from 0 (YOLO).
    """

    images: Path
    out: Path
    classes: tuple[str, ...]

    def write_names(self) -> None:
        """Write the names of the classes to classes.txt, one a line."""
        write_text("".join(f"{name}\n" for name in self.classes), self.out / NAMES_FILE)


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
    write_image writes that file. shared_files lists the files that write_shared makes from the labels of all images;
    the function it is given returns them in order, and may be called again for another pass.
    """

    title: str
    image_file: Callable[[str], str] | None = None
    write_image: Callable[[ImageLabels, LabelSet], None] | None = None
    shared_files: tuple[str, ...] = ()
    write_shared: Callable[[Callable[[], Iterable[ImageLabels]], LabelSet], None] | None = None
