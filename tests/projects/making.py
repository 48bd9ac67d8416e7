"""Small projects: images with one object each, and what a person does in them."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.projects import editing
from cdpnet.projects.document import ProjectImage
from cdpnet.projects.project import Project
from cdpnet.values import JSON

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
    """All files of a project by their paths, but project.json, its history, and what is learned from examples."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    left_out = ("project.json", "history/", "classes/", ".cdpnet.lock")
    return {name: path.read_bytes() for name, path in sorted(found.items()) if not name.startswith(left_out)}


def project_values() -> dict[str, JSON]:
    """The values of a valid project.json: an image with a result, a class, and an example of it."""
    found: dict[str, JSON] = {"class_id": "c2-00000a", "share": 0.25, "presence": 0.9, "score": 0.5}
    image: dict[str, JSON] = {"id": "i1-00000a", "file": "a.png", "height": 10, "width": 12, "revision": 2}
    settled: dict[str, JSON] = {"uncertainty": 0.5, "found_with": "12", "edited": False, "review": "", "reviewed": 0}
    return {
        "format": 1,
        "revision": 5,
        "next_number": 4,
        "settings": {"threshold": 0.5, "presence": True},
        "names": ["cat"],
        "classes": [{"id": "c2-00000a", "name": "cat", "number": 1, "learned": "34", "pooled": [], "reason": ""}],
        "images": [{**image, **settled, "findings": [found], "reason": ""}],
        "examples": [{"id": "e3-00000a", "image": "i1-00000a", "class_id": "c2-00000a", "enabled": True}],
    }


def full_disk(*_: object) -> None:
    """In the place of whatever writes."""
    raise OSError(errno.ENOSPC, "No space left on device")
