"""A window of images, from files to labels on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cdpnet.bulk.journal import Record
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.preprocessing import PreprocessedImage
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import atomic
from cdpnet.labels.formats import FORMATS
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.overlay import overlay
from cdpnet.labels.regions import ImageLabels, from_mask

WINDOW = 16  # images that are decoded, and answered, together
SHEET = "sheet"  # folder of the small images on the contact sheet
_SMALL = 256  # pixels of the longer side on the contact sheet


@dataclass(frozen=True)
class Labeller:
    """Labels windows of images; what it makes of a window depends on nothing but the window."""

    segmenter: Segmenter
    classes: Sequence[ClassPrototype]
    target: LabelSet
    format_name: FormatName
    threshold: float | None = None
    min_presence: float | None = None

    def label(
        self, window: Sequence[str], pool: Executor, turn: AbstractContextManager[object] | None = None
    ) -> list[Record]:
        """Label images, by their paths below the folder, and write their files; say which cannot be read.

        pool: decodes and writes. turn: held while the network works, so that several windows may be under way.
        DataError where the disk takes no more.
        """
        loaded = list(pool.map(self._load, window))
        with turn or nullcontext():
            found = self.segmenter.segment_preprocessed(
                [image for image in loaded if isinstance(image, PreprocessedImage)],
                self.classes,
                threshold=self.threshold,
                min_presence=self.min_presence,
            )
        rest = iter(found)
        answers = [next(rest) if isinstance(image, PreprocessedImage) else image for image in loaded]
        return list(pool.map(self._written, window, loaded, answers))

    def _load(self, image: str) -> PreprocessedImage | str:
        """An image at working size, or the reason why it cannot be used."""
        try:
            return self.segmenter.preprocessing.load(self.target.images / image)
        except DataError as error:
            return str(error)

    def _written(self, image: str, prepared: PreprocessedImage | str, found: Segmentation | str) -> Record:
        """Write the files of one image and say what is in it."""
        if isinstance(found, str) or isinstance(prepared, str):
            return Record(ImageLabels(image, 0, 0), error=str(found))
        record = Record(labelled(image, found), round(found.uncertainty, 4))
        try:
            write = FORMATS[self.format_name].write
            if write is not None:
                write(record.labelled, self.target)
            self._write_small(image, prepared, found)
        except OSError as error:
            raise DataError(write_error(self.target.out, error)) from None
        return record

    def _write_small(self, image: str, prepared: PreprocessedImage, found: Segmentation) -> None:
        """The image with its labels, for the contact sheet."""
        h, w = prepared.image.shape[1:]
        mask = Image.fromarray(found.mask).resize((w, h), Image.Resampling.NEAREST)
        shown = overlay(prepared.image, np.array(mask))
        shown.thumbnail((_SMALL, _SMALL))
        with atomic(self.target.out / thumbnail_file(image)) as temporary:
            shown.save(temporary, quality=85)


def labelled(image: str, found: Segmentation) -> ImageLabels:
    """What is found in an image, as labels; a region's score is one minus the class's uncertainty."""
    masks = (found.mask == number for number in range(1, len(found.classes) + 1))  # one at a time
    regions = [
        from_mask(mask, name, round(1 - uncertainty, 4))
        for mask, name, uncertainty in zip(masks, found.classes, found.uncertainties, strict=True)
        if mask.any()
    ]
    return ImageLabels(image, *found.size, tuple(regions))


def thumbnail_file(image: str) -> str:
    """Where an image's small version lies, below the folder of labels."""
    return f"{SHEET}/{Path(image).with_suffix('.jpg').as_posix()}"


def write_error(out: Path, error: OSError) -> str:
    """The sentence for a disk that takes no more."""
    return (
        f"{out} cannot be written to ({error.strerror or error}); what is done is kept, and the same command goes on "
        "with it."
    )
