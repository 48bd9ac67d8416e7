"""The formats that labels are written in, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdpnet.labels import coco, labelme, labelstudio, png, yolo
from cdpnet.labels.label_set import NAMES, FormatName, LabelSet
from cdpnet.labels.regions import ImageLabels

PNG_FOLDER = "masks"


@dataclass(frozen=True)
class Format:
    """How labels lie on disk.

    file_of: the file of one image below the folder of labels, and write makes it; None where one file holds all.
    files: what finish makes, from all that was labelled, in order, which it may go through as often as it likes.
    """

    finish: Callable[[Callable[[], Iterable[ImageLabels]], LabelSet], None]
    files: tuple[str, ...]
    file_of: Callable[[str], str] | None = None
    write: Callable[[ImageLabels, LabelSet], None] | None = None


def _mask_file(image: str) -> str:
    return f"{PNG_FOLDER}/{Path(image).with_suffix('.png')}"


def _write_mask(found: ImageLabels, target: LabelSet) -> None:
    """A palette PNG; index i is line i of classes.txt, so the folder is one that `--data folder` reads."""
    mask = np.zeros(found.size, np.uint8)
    for region in found.regions:
        mask[found.mask(region) > 0] = target.classes.index(region.label) + 1
    png.write_mask(target.out / _mask_file(found.image), mask)


FORMATS: dict[FormatName, Format] = {
    "png": Format(lambda everything, target: target.write_names(), (NAMES,), _mask_file, _write_mask),  # noqa: ARG005
    "coco": Format(coco.finish, (coco.FILE,)),
    "labelme": Format(lambda everything, target: None, (), labelme.file_of, labelme.write),  # noqa: ARG005
    "yolo": Format(lambda everything, target: yolo.finish(target), (NAMES, yolo.DATA), yolo.file_of, yolo.write),  # noqa: ARG005
    "labelstudio": Format(labelstudio.finish, (labelstudio.FILE,)),
}


def write_labels(found: Sequence[ImageLabels], target: LabelSet, format_name: FormatName) -> None:
    """Write the labels of a few images, all files that the format has."""
    chosen = FORMATS[format_name]
    if chosen.write is not None:
        for one in found:
            chosen.write(one, target)
    chosen.finish(lambda: found, target)
