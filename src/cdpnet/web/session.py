"""What one person has taught and looked at; it lives in memory and in a folder of its own, and is gone with it."""

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

from cdpnet.bulk.labeller import labelled
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ENDING, ClassPrototype, save_class
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import atomic
from cdpnet.io.images import read_image
from cdpnet.labels.formats import write_labels
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.png import read_mask, write_mask
from cdpnet.web.limits import Limits
from cdpnet.web.views import at_view_size

_SAME = 8.0  # mean difference of two versions of one image, of 255
_LONGEST = 150  # bytes of a name in a file's, which may have 255
Report = Callable[[int, int], object]  # hears how many are done, and of how many


@dataclass(frozen=True)
class Example:
    """An image with a mask of the class, both in files."""

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True, eq=False)
class Chosen:
    """An image to look at: its file, and itself at the size of the screen (3, h, w)."""

    file: Path
    shown: Tensor


class Looked(NamedTuple):
    """Images, and what was found in them: as many, or none where nothing was looked for. Replaced as a whole."""

    images: tuple[Chosen, ...]
    found: tuple[Segmentation, ...]


class Session:
    """Teach, look, take: the three steps of the page. Files lie below ``folder``."""

    def __init__(self, segmenter: Segmenter, folder: Path, limits: Limits) -> None:
        self.segmenter, self.folder, self.limits = segmenter, folder, limits
        self.canvas: Path | None = None  # the image that is painted on
        self.view: Image.Image | None = None  # as the screen shows it
        self._size = (0, 0)  # its own, H, W
        self.examples: tuple[Example, ...] = ()
        self.classes: dict[str, ClassPrototype] = {}
        self.looked = Looked((), ())
        self._looked_for: object = None  # what the answers are answers to
        self._numbers = count(1)  # of folders and files, so that none is written twice

    def open_image(self, file: Path) -> Image.Image:
        """Begin to paint on an image; gives it at the size of the screen. DataError for one that cannot be used."""
        self.limits.check_files([file])
        image = read_image(file, self.limits.pixels)
        before, self.canvas, self.view = self.canvas, self._kept([file])[0], at_view_size(image)
        self._size = (image.shape[1], image.shape[2])
        if before is not None:
            shutil.rmtree(before.parent, ignore_errors=True)
        return self.view

    def add_example(
        self,
        name: str,
        strokes: NDArray[np.bool_] | None,
        mask_file: Path | None = None,
        painted_on: NDArray[np.uint8] | None = None,
    ) -> Example:
        """Learn a class from the open image, too, as it is painted (h, w) or marked in a file.

        painted_on: what the screen had under the painting (h, w, 3), which may not be the open image any more.
        DataError where there is no image, name or mark, or the marks cannot be learned from; then nothing changes.
        """
        name, canvas = " ".join(name.split()), self.canvas
        if canvas is None:
            raise DataError("There is no image yet; choose one, or take one of the samples.")
        if mask_file is None and (strokes is None or not strokes.any()):
            raise DataError(
                "Nothing is painted yet; paint over the object in the image, or choose a file with its mask."
            )
        if not self._is_open(strokes, painted_on):
            raise DataError("Another image was opened in between; choose the one that you painted on again.")
        if not name:
            raise DataError("The class has no name yet; say what it is called, such as weld crack.")
        if len(name) > self.limits.name:
            raise DataError(f"The name has {len(name)} characters; at most {self.limits.name} are read.")
        if len(self.examples) == self.limits.examples:
            raise DataError(f"The page takes {self.limits.examples} examples; take some back first.")
        place = self.folder / "examples" / f"{next(self._numbers):02d} {file_name(name)}"
        image, mask = place.with_name(place.name + canvas.suffix), place.with_name(place.name + "_mask.png")
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(canvas, image)
        if mask_file is not None:
            self.limits.check_files([mask_file])
            marks = read_mask(mask_file, self._size).numpy()
        else:
            assert strokes is not None
            marks = read_mask(_at_size(strokes, self._size), name="The painting").numpy()
        write_mask(mask, marks)
        example = Example(name, image, mask)
        self._learn(name, (*self.examples, example))
        return example

    def _is_open(self, strokes: NDArray[np.bool_] | None, painted_on: NDArray[np.uint8] | None) -> bool:
        """Whether what was painted, and on what, is of the open image; browsers change its colours a little."""
        shown = np.asarray(self.view)
        if strokes is not None and strokes.shape != shown.shape[:2]:
            return False
        if painted_on is None:
            return True
        alike = painted_on.shape == shown.shape
        return alike and bool(np.abs(painted_on.astype(np.int16) - shown).mean() < _SAME)

    def take_back(self) -> str:
        """Forget the last example, and its class where it was the only one; gives its name. DataError without one."""
        if not self.examples:
            raise DataError("There is no example to take back.")
        name = self.examples[-1].name
        self._learn(name, self.examples[:-1])
        return name

    def _learn(self, name: str, examples: tuple[Example, ...]) -> None:
        """Make these the examples, and learn a class anew from those of its name."""
        own = [example for example in examples if example.name == name]
        classes = {key: value for key, value in self.classes.items() if key != name or own}
        if own:
            classes[name] = self.segmenter.learn(name, [one.image for one in own], [one.mask for one in own])
        self.examples, self.classes = examples, classes

    def choose(self, files: Sequence[Path], report: Report) -> None:
        """Take images to look at, in place of those before. DataError for one that cannot be used."""
        self.limits.check_files(files)
        images = []
        for i, file in enumerate(files):
            report(i, len(files))
            images.append((file, read_image(at_view_size(read_image(file, self.limits.pixels)))))
        kept = self._kept([file for file, _ in images])
        shown = [shown for _, shown in images]
        before, self.looked = self.looked, Looked(tuple(Chosen(*one) for one in zip(kept, shown, strict=True)), ())
        if before.images:
            shutil.rmtree(before.images[0].file.parent, ignore_errors=True)

    def look(self, report: Report, *, min_presence: float | None) -> None:
        """Find the classes in the chosen images, unless that is done already."""
        images, looked_for = self.looked.images, (self.looked.images, self.examples, min_presence)
        if looked_for == self._looked_for:
            return
        classes, found = list(self.classes.values()), []
        for i, image in enumerate(images if classes else ()):
            report(i, len(images))
            found.append(self.segmenter.segment(image.file, classes, min_presence=min_presence))
        self.looked, self._looked_for = Looked(images, tuple(found)), looked_for

    def write_labels(self, format_name: FormatName, threshold: float | None) -> Path:
        """An archive with the labels of all images that were looked at. DataError where there are none."""
        images, answers = self.looked
        if not answers:
            raise DataError("There are no masks yet; teach a class and look at some images first.")
        out = self._empty("labels")
        place = out if format_name == "labelme" else out / "images"  # where its users keep them
        target = LabelSet(place, out, answers[0].classes)
        pairs = zip(images, answers, strict=True)
        write_labels([labelled(image.file.name, at(found, threshold)) for image, found in pairs], target, format_name)
        return _archive(out, self.folder / f"labels-{format_name}.zip")

    def write_classes(self) -> Path:
        """An archive with the class files and the examples they were learned from. DataError where there are none."""
        if not self.classes:
            raise DataError("There is no class yet; paint one in an image, name it and add it.")
        out = self._empty("classes")
        (out / "examples").mkdir()
        for i, learned in enumerate(self.classes.values(), start=1):
            save_class(learned, out / f"{i:02d} {file_name(learned.name)}{ENDING}")
        for example in self.examples:
            for file in (example.image, example.mask):
                shutil.copyfile(file, out / "examples" / file.name)
        return _archive(out, self.folder / "classes.zip")

    def _kept(self, files: Sequence[Path]) -> list[Path]:
        """Copies of files in a new folder of the session."""
        folder = self.folder / f"uploads-{next(self._numbers)}"
        folder.mkdir()
        return [Path(shutil.copyfile(file, folder / file.name)) for file in files]

    def _empty(self, place: str) -> Path:
        shutil.rmtree(self.folder / place, ignore_errors=True)
        (self.folder / place).mkdir()
        return self.folder / place


def at(found: Segmentation, threshold: float | None) -> Segmentation:
    """At a threshold or the model's own; another object, so that no mask stays in memory with what a session keeps."""
    return replace(found) if threshold is None else found.at(threshold)


def _at_size(strokes: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """What is painted on the screen, at an image's size H, W; on a tiny one a thin stroke marks what it touches."""
    image, (h, w) = Image.fromarray(strokes), size
    marks = np.array(image.resize((w, h), Image.Resampling.NEAREST))
    return marks if marks.any() else np.array(image.convert("F").resize((w, h), Image.Resampling.BOX)) > 0


def file_name(name: str) -> str:
    """A class's name as part of a file's."""
    safe = re.sub(r"[^\w -]", "_", name).encode()[:_LONGEST].decode(errors="ignore")
    return safe.strip() or "_"


def _archive(folder: Path, path: Path) -> Path:
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(folder))
    return path
