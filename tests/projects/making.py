"""Small projects: images with one object each, and what a person does in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.projects import editing
from cdpnet.projects.document import ProjectImage
from cdpnet.projects.project import Project

SIZE = (72, 96)  # H, W of every image
NAMES = ("a.png", "b.png", "c.png", "d.png")


def object_mask(number: int) -> NDArray[np.bool_]:
    """Where the object is in image ``number``, (H, W)."""
    mask = np.zeros(SIZE, np.bool_)
    mask[10 + 4 * number : 50 + 4 * number, 20 + 8 * number : 60 + 8 * number] = True
    return mask


def draw_images(folder: Path) -> None:
    """Write the images; their objects have one colour, and the background is noise."""
    folder.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        pixels = np.random.default_rng(number).integers(60, 120, (*SIZE, 3), np.uint8)
        pixels[object_mask(number)] = (230, 60, 40)
        Image.fromarray(pixels).save(folder / name)


def image_of(project: Project, name: str) -> ProjectImage:
    """An image by its name."""
    return next(image for image in project.document.images.values() if image.file == name)


def teach(project: Project, name: str = "a.png", class_name: str = "thing") -> str:
    """Mark the object of an image and use it as an example; gives the id of the class."""
    known = [one.id for one in project.document.classes.values() if one.name == class_name]
    class_id = known[0] if known else editing.add_class(project, class_name, 60)
    image = image_of(project, name)
    editing.correct(project, image.id, image.revision, class_id, object_mask(NAMES.index(name)))
    image = image_of(project, name)
    editing.add_example(project, image.id, class_id, image.revision)
    return class_id


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a project by their paths, but project.json and what is learned from examples."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    left_out = ("project.json", "classes/", ".cdpnet.lock")
    return {name: path.read_bytes() for name, path in sorted(found.items()) if not name.startswith(left_out)}
