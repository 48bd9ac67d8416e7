"""Masks of class numbers beside their images: PNG masks with classes.txt, and Pascal VOC's segmentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.files import read_text
from cdpnet.io.images import open_image
from cdpnet.io.label_folders import NAMES_FILE
from cdpnet.io.masks import read_class_numbers
from cdpnet.labels.label_set import check_image_size
from cdpnet.labels.mask_pixels import DEEP, black_and_white
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.regions import ImageLabels, region_from_mask
from cdpnet.labels.voc import MAP_FILE
from cdpnet.runtime.constants import IGNORE_INDEX
from cdpnet.runtime.text import check_class_name

Colour = tuple[int, int, int]
_BLACK = (0, 0, 0)  # that of the background
_VOID = (224, 224, 192)  # VOC's colour of pixels that are not labelled
_BYTE = 256
_COLOUR_LINE = re.compile(r"(.+?):\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*(?::.*)?")
_WHITE_LEFT_OUT = (
    f"masks hold nothing but {IGNORE_INDEX} or {DEEP}, which is left out as undecided; give the pixels of a class the "
    f"number of its line in {NAMES_FILE}"
)


def read_names(folder: Path) -> tuple[str, ...]:
    """The names in classes.txt, line i for number i; none where there is no such file."""
    path = folder / NAMES_FILE
    lines = read_text(path).rstrip().splitlines() if path.is_file() else []
    return tuple(check_class_name(line.strip(), f"A line of {path}") for line in lines)


def read_numbers(path: Path, names: tuple[str, ...], image: Path) -> ImageLabels:
    """The classes in a mask of numbers; names: of the numbers from 1 on, a number without one is its own name.

    255, in 16 bits 65535, is left out, but with at most one name, a mask in black and white holds class 1. DataError
    where the mask holds colours or has another size than its image.
    """
    white = black_and_white(open_image(path)) if len(names) <= 1 else None
    numbers = read_class_numbers(path) if white is None else white.astype(np.int64)
    found = _labels(numbers, path, image, dict(enumerate(names, start=1)))
    is_white = not found.regions and bool(numbers.any())
    return replace(found, notes=(Note(_WHITE_LEFT_OUT),)) if is_white else found


def read_colours(path: Path, colours: Mapping[Colour, str], image: Path) -> ImageLabels:
    """The classes in a mask of colours, by the names that colours have. DataError for a colour without a name."""
    red, green, blue = (np.array(band, np.int32) for band in open_image(path).convert("RGB").split())
    packed = (red * _BYTE + green) * _BYTE + blue
    found, numbers = np.unique(packed, return_inverse=True)
    names = {}
    for number, value in enumerate(found.tolist()):
        colour = (value // _BYTE**2, value // _BYTE % _BYTE, value % _BYTE)
        if colour not in colours and colour not in (_BLACK, _VOID):
            raise DataError(f"{path} has the colour {','.join(map(str, colour))}, which {MAP_FILE} does not name.")
        names[number + 1] = colours.get(colour, "")
    return _labels(numbers.reshape(packed.shape) + 1, path, image, names)


def _labels(numbers: NDArray[np.int64], path: Path, image: Path, names: Mapping[int, str]) -> ImageLabels:
    size = (numbers.shape[0], numbers.shape[1])
    check_image_size(image, size, path)
    labels = {number: names.get(number, str(number)) for number in np.unique(numbers).tolist()}
    regions = [
        region_from_mask(numbers == number, name)
        for number, name in labels.items()
        if number not in (0, IGNORE_INDEX, DEEP) and name
    ]
    return ImageLabels(image.name, *size, tuple(regions))


def read_colour_map(path: Path) -> dict[Colour, str]:
    """The names of colours in a labelmap.txt, as CVAT and `labels.voc` write it; the background's is left out.

    DataError for a line of another kind.
    """
    found: dict[Colour, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        match = _COLOUR_LINE.fullmatch(line)
        if match is None and (not line.strip() or line.startswith("#")):
            continue
        if match is None:
            raise DataError(
                f"Line {number} of {path} is not of the form name:red,green,blue::, such as crack:128,0,0::."
            )
        name, *values = match.groups()
        red, green, blue = map(int, values)
        if (red, green, blue) != _BLACK:
            found[red, green, blue] = check_class_name(name, f"Line {number} of {path}")
    return found
