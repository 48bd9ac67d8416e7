"""Segment image files and write their masks and overlays."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import LONGEST_NAME, check_out_folder, real_path, refuse_to_replace, write_image
from cdpnet.io.image_tensors import read_reduced
from cdpnet.io.images import Reduction, note_others, scan_images
from cdpnet.io.label_folders import MASK_ENDING, OVERLAY_ENDING
from cdpnet.labels.overlay import overlay
from cdpnet.labels.palette import write_mask
from cdpnet.labels.support_paths import find_images_to_segment

_ENDINGS = MASK_ENDING, OVERLAY_ENDING  # of the names of results
_CHECK = Reduction(above=2048, factor=8)  # a check decodes all of an image, and holds little of it


@dataclass(frozen=True)
class Output:
    """An image file and the files of its results."""

    image: Path
    mask: Path
    overlay: Path


class Plan(NamedTuple):
    """What is segmented, and the images of folders that are not, with the reasons."""

    outputs: list[Output]
    left_out: dict[Path, str]


class Images(NamedTuple):
    """Images to segment. found: those that were not named themselves, but found in a folder or by a pattern."""

    named: list[Path]
    found: list[Path]
    left_out: dict[Path, str]


def find_inputs(paths: Sequence[Path], without: Collection[Path] = ()) -> Images:
    """The images that files, folders and patterns such as ``a/*.jpg`` name; folders with their subfolders.

    without: files and folders that are not taken from folders. DataError for a folder without an image, and for a
    path or a pattern that names nothing.
    """
    images = Images([], [], {})
    left_out = {real_path(path) for path in without}
    for path in paths:
        if path.is_dir():
            scanned = scan_images(path, deep=True, without=without)
            note_others(scanned, path)
            images.found.extend(scanned.images)
            images.left_out.update(scanned.unusable)
        elif (files := find_images_to_segment(path)) == [path]:
            images.named.append(path)
        else:
            images.found.extend(file for file in files if real_path(file) not in left_out)
    return images


def plan_outputs(images: Images, out: Path, *, inputs: Sequence[Path] = (), overwrite: bool) -> Plan:
    """The files of all results, checked before anything is written.

    inputs: other files that are read, which no result may replace. An image that cannot be read, whose name is too long
    for its results, or that shares its stem and so their names with another, is left out where it was found and refused
    where it was named: DataError, as for a file that exists unless ``overwrite``, and where no image is left.
    """
    read = {real_path(path) for path in (*images.named, *images.found, *inputs)}
    check_out_folder(out)
    taken: dict[str, Path] = {}
    plan = Plan([], dict(images.left_out))
    each: dict[Path, Path] = {}  # an image that is named twice, as by two patterns, is one
    for image in (*images.named, *images.found):
        each.setdefault(image.absolute(), image)
    for image in each.values():
        try:
            _check_image(image, taken)
        except DataError as error:
            if image in images.named:
                raise
            plan.left_out[image] = str(error)
            continue
        taken[image.stem] = image
        output = Output(image, *(out / f"{image.stem}{ending}" for ending in _ENDINGS))
        for path in (output.mask, output.overlay):
            refuse_to_replace(path, read=read, overwrite=overwrite)
        plan.outputs.append(output)
    if not plan.outputs:
        raise DataError(next(iter(plan.left_out.values())))
    return plan


def _check_image(image: Path, taken: Mapping[str, Path]) -> None:
    """DataError where an image cannot be read, or has the stem of another, or one too long for its results."""
    read_reduced(image, _CHECK)
    if image.stem in taken:
        raise DataError(f"{taken[image.stem]} and {image} have one stem, so one mask would overwrite the other.")
    longest = LONGEST_NAME - max(map(len, _ENDINGS))
    if len(os.fsencode(image.stem)) > longest:
        raise DataError(f"{image} has a name too long for its results; {longest} bytes without its ending fit.")


def segment_images(
    segmenter: Segmenter,
    learned: ClassPrototype,
    outputs: Sequence[Output],
    progress: Callable[[Output, float, float], None],
    *,
    threshold: float | None = None,
    min_presence: float | None = None,
) -> None:
    """Segment each image and write its mask and overlay; that of an image in tiles is as small as it was read.

    progress: called after each image with the fraction of its pixels that belong to the class, and the probability that
    the class is there. threshold, min_presence: as in `Segmenter.segment`. DataError where the folder cannot be written
    to.
    """
    for output in outputs:
        picture, size = read_reduced(output.image, segmenter.preprocessing.reduction)
        prepared = [segmenter.preprocessing.prepare(picture, size)]
        (found,) = segmenter.segment_preprocessed(prepared, learned, threshold=threshold, min_presence=min_presence)
        mask = found.mask
        try:
            write_mask(output.mask, mask)
            shown = Image.fromarray(mask).resize((picture.shape[2], picture.shape[1]), Image.Resampling.NEAREST)
            write_image(overlay(picture, np.array(shown)), output.overlay)
        except OSError as error:
            raise DataError(f"{output.mask.parent} cannot be written to ({error.strerror or error}).") from None
        progress(output, float((mask > 0).mean()), found.presence[0])
