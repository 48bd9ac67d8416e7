"""The state of one browser session: examples, learned classes, images and their segmentations."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cdpnet.bulk.labeller import make_image_labels
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ENDING, ClassPrototype, save_class
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import atomic
from cdpnet.io.image_tensors import read_image
from cdpnet.labels.formats import FORMATS, write_labels
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.palette import write_mask
from cdpnet.labels.png import read_mask
from cdpnet.web.limits import Limits
from cdpnet.web.views import at_view_size

_MAX_DIFFERENCE = 8.0  # mean difference of two copies of one image, of 255
_MAX_NAME_BYTES = 150  # of a class name in a file name, which may have 255
Progress = Callable[[int, int], object]  # called with the number of finished images and the number of all images


@dataclass(frozen=True)
class SavedExample:
    """An example of a class, with its image and mask as files of the session."""

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True, eq=False)
class QueryImage:
    """An image to segment: its file, and the image at view size, (3, h, w) uint8."""

    file: Path
    view: Tensor


class SegmentedImages(NamedTuple):
    """Query images and their segmentations: one for each image, or none before the images are segmented.

    A session replaces it as a whole, so that concurrent requests see images and segmentations that belong together.
    """

    images: tuple[QueryImage, ...]
    segmentations: tuple[Segmentation, ...]


class Session:
    """One browser session; its files lie below ``folder``, all else is in memory."""

    def __init__(self, segmenter: Segmenter, folder: Path, limits: Limits) -> None:
        self.segmenter, self.folder, self.limits = segmenter, folder, limits
        self.opened: Path | None = None  # the image that is being marked
        self.view: Image.Image | None = None  # the opened image at view size
        self._size = (0, 0)  # H, W of the opened image
        self.examples: tuple[SavedExample, ...] = ()
        self.classes: dict[str, ClassPrototype] = {}
        self.segmented = SegmentedImages((), ())
        self._segmented_for: object = None  # the images, examples and min_presence of the last segmentation
        self._numbers = count(1)  # of folders and files, so that no name is used twice

    def open_image(self, file: Path) -> Image.Image:
        """Open an image to mark; returns it at view size. DataError for an image that cannot be used."""
        self.limits.check_files([file])
        image = read_image(file, self.limits.pixels)
        previous, self.opened, self.view = self.opened, self._copy_files([file])[0], at_view_size(image)
        self._size = (image.shape[1], image.shape[2])
        if previous is not None:
            shutil.rmtree(previous.parent, ignore_errors=True)
        return self.view

    def add_example(
        self,
        name: str,
        strokes: NDArray[np.bool_] | None,
        mask_file: Path | None = None,
        marked_view: NDArray[np.uint8] | None = None,
    ) -> SavedExample:
        """Add the opened image as an example of a class and learn the class again.

        strokes: the brushed pixels (h, w) at view size; not needed with a mask_file. marked_view: the image (h, w, 3)
        that was under the brush, which may no longer be the opened image. DataError without an image, name or mask,
        and for a mask that cannot be learned from; then nothing changes.
        """
        name, opened = " ".join(name.split()), self.opened
        if opened is None:
            raise DataError("There is no image yet; choose one, or use one of the samples.")
        if mask_file is None and (strokes is None or not strokes.any()):
            raise DataError("Nothing is marked yet; brush over the object in the image, or choose a mask file.")
        if not self._is_opened(strokes, marked_view):
            raise DataError("Another image was opened in the meantime; open the image that you marked again.")
        if not name:
            raise DataError("The class has no name yet; enter one, such as weld crack.")
        if len(name) > self.limits.name:
            raise DataError(f"The name has {len(name)} characters; at most {self.limits.name} are allowed.")
        if len(self.examples) == self.limits.examples:
            raise DataError(f"The page takes {self.limits.examples} examples; remove some first.")
        mask = self._read_marking(strokes, mask_file)
        example = self._save_example(name, opened, mask)
        self._learn(name, (*self.examples, example))
        return example

    def _read_marking(self, strokes: NDArray[np.bool_] | None, mask_file: Path | None) -> NDArray[np.uint8]:
        """The mask (H, W) of the opened image."""
        if mask_file is not None:
            self.limits.check_files([mask_file])
            return read_mask(mask_file, self._size).numpy()
        assert strokes is not None
        return read_mask(_resize_strokes(strokes, self._size), name="The marking").numpy()

    def _save_example(self, name: str, image: Path, mask: NDArray[np.uint8]) -> SavedExample:
        stem = self.folder / "examples" / f"{next(self._numbers):02d} {file_name(name)}"
        example = SavedExample(name, stem.with_name(stem.name + image.suffix), stem.with_name(stem.name + "_mask.png"))
        stem.parent.mkdir(exist_ok=True)
        shutil.copyfile(image, example.image)
        write_mask(example.mask, mask)
        return example

    def _is_opened(self, strokes: NDArray[np.bool_] | None, marked_view: NDArray[np.uint8] | None) -> bool:
        """Whether strokes and marked image belong to the opened image; browsers change colours slightly."""
        view = np.asarray(self.view)
        if strokes is not None and strokes.shape != view.shape[:2]:
            return False
        if marked_view is None:
            return True
        same_shape = marked_view.shape == view.shape
        return same_shape and bool(np.abs(marked_view.astype(np.int16) - view).mean() < _MAX_DIFFERENCE)

    def remove_last_example(self) -> str:
        """Remove the last example, and its class if it has no other; returns the class name. DataError without one."""
        if not self.examples:
            raise DataError("There is no example to remove.")
        name = self.examples[-1].name
        self._learn(name, self.examples[:-1])
        return name

    def _learn(self, name: str, examples: tuple[SavedExample, ...]) -> None:
        """Replace the examples, and learn one class again from those with its name."""
        own = [example for example in examples if example.name == name]
        classes = {key: value for key, value in self.classes.items() if key != name or own}
        if own:
            classes[name] = self.segmenter.learn(name, [one.image for one in own], [one.mask for one in own])
        self.examples, self.classes = examples, classes

    def set_images(self, files: Sequence[Path], progress: Progress) -> None:
        """Replace the images to segment. DataError for an image that cannot be used."""
        self.limits.check_files(files)
        views = []
        for i, file in enumerate(files):
            progress(i, len(files))
            views.append(read_image(at_view_size(read_image(file, self.limits.pixels))))
        copies = self._copy_files(files)
        images = tuple(QueryImage(file, view) for file, view in zip(copies, views, strict=True))
        previous, self.segmented = self.segmented, SegmentedImages(images, ())
        if previous.images:
            shutil.rmtree(previous.images[0].file.parent, ignore_errors=True)

    def segment_images(self, progress: Progress, *, min_presence: float | None) -> None:
        """Segment the images, unless nothing has changed since they were. min_presence: as in `Segmenter.segment`."""
        images = self.segmented.images
        inputs = (images, self.examples, min_presence)
        if inputs == self._segmented_for:
            return
        classes, segmentations = list(self.classes.values()), []
        for i, image in enumerate(images if classes else ()):
            progress(i, len(images))
            segmentations.append(self.segmenter.segment(image.file, classes, min_presence=min_presence))
        self.segmented, self._segmented_for = SegmentedImages(images, tuple(segmentations)), inputs

    def write_labels(self, format_name: FormatName, threshold: float | None) -> Path:
        """Write a zip archive with the labels of all segmented images. DataError where there are none.

        threshold: 0..1, or None for the network's own.
        """
        images, segmentations = self.segmented
        if not segmentations:
            raise DataError("There are no masks yet; add an example and segment some images first.")
        out = self._make_empty_folder("labels")
        # Where users of the format keep images.
        image_folder = out if format_name == "labelme" else out / (FORMATS[format_name].images_folder or "images")
        target = LabelSet(image_folder, out, segmentations[0].classes)
        labels = [
            make_image_labels(image.file.name, with_threshold(segmentation, threshold))
            for image, segmentation in zip(images, segmentations, strict=True)
        ]
        write_labels(labels, target, format_name)
        return _make_archive(out, self.folder / f"labels-{format_name}.zip")

    def write_classes(self) -> Path:
        """Write a zip archive with the class files and the examples. DataError where there is no class."""
        if not self.classes:
            raise DataError("There is no class yet; mark an object, name its class and add the example.")
        out = self._make_empty_folder("classes")
        (out / "examples").mkdir()
        for i, learned in enumerate(self.classes.values(), start=1):
            save_class(learned, out / f"{i:02d} {file_name(learned.name)}{ENDING}")
        for example in self.examples:
            for file in (example.image, example.mask):
                shutil.copyfile(file, out / "examples" / file.name)
        return _make_archive(out, self.folder / "classes.zip")

    def _copy_files(self, files: Sequence[Path]) -> list[Path]:
        """Copy files into a new folder of the session."""
        folder = self.folder / f"uploads-{next(self._numbers)}"
        folder.mkdir()
        return [Path(shutil.copyfile(file, folder / file.name)) for file in files]

    def _make_empty_folder(self, name: str) -> Path:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir()
        return self.folder / name


def with_threshold(segmentation: Segmentation, threshold: float | None) -> Segmentation:
    """A copy with another threshold, or the network's own for None.

    Always a copy, so that the masks that it caches are not held in memory with the session.
    """
    return replace(segmentation) if threshold is None else segmentation.at(threshold)


def _resize_strokes(strokes: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Strokes at view size (h, w) as a mask (H, W) of the image.

    On a tiny image a thin stroke can miss all pixel centres; then it marks every pixel that it touches.
    """
    image, (h, w) = Image.fromarray(strokes), size
    mask = np.array(image.resize((w, h), Image.Resampling.NEAREST))
    return mask if mask.any() else np.array(image.convert("F").resize((w, h), Image.Resampling.BOX)) > 0


def file_name(name: str) -> str:
    """A class name as part of a file name."""
    safe = re.sub(r"[^\w -]", "_", name).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return safe.strip() or "_"


def _make_archive(folder: Path, path: Path) -> Path:
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(folder))
    return path
