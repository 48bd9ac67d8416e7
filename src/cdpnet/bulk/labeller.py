"""A window of pictures, from files to labels on the disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cdpnet.bulk.journal import Record
from cdpnet.classes import ClassPrototype
from cdpnet.errors import DataError
from cdpnet.files import atomic
from cdpnet.labels.formats import FORMATS
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.overlay import overlay
from cdpnet.labels.regions import Labelled, from_mask
from cdpnet.segmentation import Segmentation
from cdpnet.segmenter import Prepared, Segmenter

WINDOW = 16  # pictures that are decoded, and answered, together
SHEET = "sheet"  # folder of the small pictures on the contact sheet
_BATCH = 8  # pictures of one size in an encoder pass
_SMALL = 256  # pixels of the longer side on the contact sheet


@dataclass(frozen=True)
class Labeller:
    """Labels windows of pictures; what it makes of a window depends on nothing but the window."""

    segmenter: Segmenter
    classes: Sequence[ClassPrototype]
    target: LabelSet
    format_name: FormatName
    threshold: float | None = None
    least_presence: float | None = None

    def label(
        self, window: Sequence[str], pool: Executor, turn: AbstractContextManager[object] | None = None
    ) -> list[Record]:
        """Label pictures, by their paths below the folder, and write their files; say which cannot be read.

        pool: decodes and writes. turn: held while the network works, so that several windows may be under way.
        DataError where the disk takes no more.
        """
        prepared = list(pool.map(self._prepared, window))
        with turn or nullcontext():
            found = self._segmented([p for p in prepared if isinstance(p, Prepared)])
        rest = iter(found)
        answers = [next(rest) if isinstance(p, Prepared) else p for p in prepared]
        return list(pool.map(self._written, window, prepared, answers))

    def _prepared(self, picture: str) -> Prepared | str:
        """A picture as the network sees it, or what is wrong with it."""
        try:
            return self.segmenter.prepare(self.target.pictures / picture)
        except DataError as error:
            return str(error)

    def _segmented(self, prepared: Sequence[Prepared]) -> list[Segmentation]:
        """Every picture's segmentation, in their order; pictures of one size share an encoder pass."""
        by_size = defaultdict(list)
        for i, one in enumerate(prepared):
            by_size[one.picture.shape].append(i)
        found: dict[int, Segmentation] = {}
        for alike in by_size.values():
            for start in range(0, len(alike), _BATCH):
                some = alike[start : start + _BATCH]
                answers = self.segmenter.segment_prepared(
                    [prepared[i] for i in some],
                    self.classes,
                    threshold=self.threshold,
                    least_presence=self.least_presence,
                )
                found.update(zip(some, answers, strict=True))
        return [found[i] for i in range(len(prepared))]

    def _written(self, picture: str, prepared: Prepared | str, found: Segmentation | str) -> Record:
        """Write the files of one picture and say what is in it."""
        if isinstance(found, str) or isinstance(prepared, str):
            return Record(Labelled(picture, 0, 0), error=str(found))
        record = Record(labelled(picture, found), round(found.doubt, 4))
        try:
            write = FORMATS[self.format_name].write
            if write is not None:
                write(record.labelled, self.target)
            self._write_small(picture, prepared, found)
        except OSError as error:
            raise DataError(cannot_write(self.target.out, error)) from None
        return record

    def _write_small(self, picture: str, prepared: Prepared, found: Segmentation) -> None:
        """The picture with its labels, for the contact sheet."""
        h, w = prepared.picture.shape[1:]
        image = Image.fromarray(found.mask).resize((w, h), Image.Resampling.NEAREST)
        shown = overlay(prepared.picture, np.array(image))
        shown.thumbnail((_SMALL, _SMALL))
        with atomic(self.target.out / small_file(picture)) as temporary:
            shown.save(temporary, quality=85)


def labelled(picture: str, found: Segmentation) -> Labelled:
    """What is found in a picture, as labels; a region's score is one minus the class's doubt."""
    masks = (found.mask == number for number in range(1, len(found.classes) + 1))  # one at a time
    regions = [
        from_mask(mask, name, round(1 - doubt, 4))
        for mask, name, doubt in zip(masks, found.classes, found.doubts, strict=True)
        if mask.any()
    ]
    return Labelled(picture, *found.size, tuple(regions))


def small_file(picture: str) -> str:
    """Where a picture's small version lies, below the folder of labels."""
    return f"{SHEET}/{Path(picture).with_suffix('.jpg').as_posix()}"


def cannot_write(out: Path, error: OSError) -> str:
    """The sentence for a disk that takes no more."""
    return (
        f"{out} cannot be written to ({error.strerror or error}); what is done is kept, and the same command goes on "
        "with it."
    )
