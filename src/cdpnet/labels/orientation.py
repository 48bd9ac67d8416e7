"""Masks of images that an EXIF tag turns: made for the image as it is stored, or as it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.io.images import read_orientation
from cdpnet.labels.reading_options import Exif
from cdpnet.labels.regions import ImageLabels, region_from_mask
from cdpnet.runtime.notes import note

Size = tuple[int, int]
_TRANSPOSED, _FLIPPED, _MIRRORED = (5, 6, 7, 8), (3, 4, 7, 8), (2, 3, 6, 7)
"""What the tag does: rows become columns, then the first row becomes the last, and the first column the last."""


def stored_size(image: Path) -> Size:
    """Height and width of an image file as it is stored, before its EXIF tag turns it."""
    return read_orientation(image)[1]


def turn(mask: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A mask (H, W) of an image as it is stored, turned by an EXIF orientation, as the image is."""
    mask = mask.T if orientation in _TRANSPOSED else mask
    mask = mask[::-1] if orientation in _FLIPPED else mask
    return np.ascontiguousarray(mask[:, ::-1] if orientation in _MIRRORED else mask)


def fit(mask: NDArray[np.uint8], image: Path, exif: Exif = "turned") -> NDArray[np.uint8]:
    """A mask (H, W) turned as its image is, where it was made for the image as it is stored.

    Its size tells which of the two the mask was made for; where it fits both, ``exif`` does, and a note says so. A mask
    that fits neither stays as it is.
    """
    orientation, stored = read_orientation(image)
    if orientation == 1 or mask.shape != stored:
        return mask
    if (orientation in _TRANSPOSED and stored[0] != stored[1]) or exif == "raw":
        return turn(mask, orientation)
    note(
        "Images with an EXIF tag that turns them have masks that fit both before and after; they are read as masks of "
        "the turned images. For masks of the images as they are stored give --exif raw."
    )
    return mask


def turn_labels(labels: ImageLabels, image: Path) -> ImageLabels:
    """Labels turned as their image is, where they were made for the image as it is stored; see `fit`."""
    orientation, stored = read_orientation(image)
    if orientation == 1 or labels.size != stored:
        return labels
    masks = [fit(labels.mask(region), image) for region in labels.regions]
    regions = [
        region_from_mask(mask > 0, region.label, region.score)
        for mask, region in zip(masks, labels.regions, strict=True)
    ]
    height, width = stored[::-1] if orientation in _TRANSPOSED else stored
    return replace(labels, height=height, width=width, regions=tuple(regions))
