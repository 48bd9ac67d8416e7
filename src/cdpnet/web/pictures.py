"""Images of a project as the browser shows them: reduced to view size, and as thumbnails."""

from __future__ import annotations

import io
from collections import OrderedDict
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io.image_tensors import read_image
from cdpnet.labels.overlay import overlay
from cdpnet.labels.png import read_mask
from cdpnet.projects.document import ProjectExample, ProjectImage
from cdpnet.projects.editing import example_file
from cdpnet.projects.project import Project
from cdpnet.report.images import to_image

VIEW_SIDE, THUMBNAIL_SIDE = 1024, 160  # pixels of the longer side, at most
_MOST_VIEWS = 4  # that are held in memory
_QUALITY = 90


class Pictures:
    """The images of a project at view size; can be used from several threads."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._views: OrderedDict[str, Image.Image] = OrderedDict()
        self._lock = Lock()

    def view(self, image: ProjectImage) -> Image.Image:
        """An image at view size. DataError where it cannot be read."""
        with self._lock:
            if image.id in self._views:
                self._views.move_to_end(image.id)
                return self._views[image.id]
        try:
            view = to_image(read_image(self.project.image_path(image)))
        except DataError as error:
            if not image.reason:
                self.project.note_failure(image, error)
            raise
        view = view.resize(view_size((view.height, view.width))[::-1], Image.Resampling.LANCZOS)
        with self._lock:
            self._views[image.id] = view
            while len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
        return view

    def thumbnail(self, image: ProjectImage, *, masks: bool) -> Image.Image:
        """A small version of an image, with its mask drawn over it or without. DataError as `view`."""
        return self._drawn_over(image, self.project.mask(image)) if masks else self._small(image)

    def example(self, example: ProjectExample) -> Image.Image:
        """A small version of the image of an example, with the mask that is learned from it. DataError as `view`.

        The mask of the image can be another one meanwhile, and has other classes as well.
        """
        image, one = self.project.image(example.image), self.project.one_class(example.class_id)
        mask = np.zeros((image.height, image.width), np.uint8)
        if not example.absent:
            file = self.project.folder / example_file(example.id)
            mask[read_mask(file, mask.shape).numpy() == 1] = one.number
        return self._drawn_over(image, mask)

    def masks(self, image: ProjectImage) -> Image.Image:
        """The numbers of the classes in an image at view size, 8 bits grey."""
        numbers = Image.fromarray(self.project.mask(image))
        return numbers.resize(view_size((image.height, image.width))[::-1], Image.Resampling.NEAREST)

    def _small(self, image: ProjectImage) -> Image.Image:
        small = self.view(image).copy()
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        return small

    def _drawn_over(self, image: ProjectImage, mask: NDArray[np.uint8]) -> Image.Image:
        small = self._small(image)
        numbers = Image.fromarray(mask).resize(small.size, Image.Resampling.NEAREST)
        return overlay(read_image(small), np.array(numbers))


def view_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size H, W of an image at view size: reduced where it is larger, never enlarged."""
    scale = min(1.0, VIEW_SIDE / max(*size, 1))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def at_full_size(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask (h, w) at view size as a mask (H, W) of the image: enlarged smoothly, at least half covered."""
    if mask.shape == size:
        return mask
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(size[::-1], Image.Resampling.BILINEAR)
    full: NDArray[np.bool_] = np.array(grey) >= 128
    return full


def encoded(image: Image.Image, kind: Literal["JPEG", "PNG"]) -> bytes:
    """The content of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": _QUALITY} if kind == "JPEG" else {"compress_level": 1}))
    return buffer.getvalue()
