"""Masks of images that an EXIF tag turns: made for the image as it is stored, or as it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.io.images import TRANSPOSED, open_image, read_orientation
from cdpnet.labels.reading_options import Exif
from cdpnet.labels.regions import ImageLabels, region_from_mask
from cdpnet.runtime.notes import note

Size = tuple[int, int]
_FLIPPED, _MIRRORED = (3, 4, 7, 8), (2, 3, 6, 7)
"""What the tag does after rows became columns: the first row becomes the last, and the first column the last."""


def stored_size(image: Path) -> Size:
    """Height and width of an image file as it is stored, before its EXIF tag turns it."""
    return read_orientation(image)[1]


def labelled_size(image: Path, exif: Exif) -> Size:
    """Height and width of an image for labels that state none; it is decoded, and DataError where it cannot be."""
    opened = open_image(image)
    return stored_size(image) if exif == "raw" else (opened.height, opened.width)


def turn(mask: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A mask (H, W) of an image as it is stored, turned by an EXIF orientation, as the image is."""
    mask = mask.T if orientation in TRANSPOSED else mask
    mask = mask[::-1] if orientation in _FLIPPED else mask
    return np.ascontiguousarray(mask[:, ::-1] if orientation in _MIRRORED else mask)


def fit(mask: NDArray[np.uint8], image: Path, exif: Exif = "turned") -> NDArray[np.uint8]:
    """A mask (H, W) turned as its image is, where it was made for the image as it is stored.

    Its size tells which of the two the mask was made for; where it fits both, ``exif`` does, and a note says so. A mask
    that fits neither stays as it is.
    """
    return turn(mask, _choose_orientation(mask.shape, image, exif))


def turn_labels(labels: ImageLabels, image: Path, exif: Exif) -> ImageLabels:
    """Labels turned as their image is, where they were made for the image as it is stored; see `fit`."""
    orientation = _choose_orientation(labels.size, image, exif)
    if orientation == 1:
        return labels
    regions = [
        region_from_mask(turn(labels.mask(region), orientation) > 0, region.label, region.score)
        for region in labels.regions
    ]
    height, width = labels.size[::-1] if orientation in TRANSPOSED else labels.size
    return replace(labels, height=height, width=width, regions=tuple(regions))


def _choose_orientation(size: tuple[int, ...], image: Path, exif: Exif) -> int:
    """The EXIF orientation by which a mask of a size, H, W, is turned, as `fit` says; 1 where it stays as it is."""
    orientation, stored = read_orientation(image)
    if orientation == 1 or size != stored:
        return 1
    if (orientation in TRANSPOSED and stored[0] != stored[1]) or exif == "raw":
        return orientation
    note(
        "Images with an EXIF tag that turns them have masks that fit both before and after; they are read as masks of "
        "the turned images. For masks of the images as they are stored give --exif raw."
    )
    return 1
