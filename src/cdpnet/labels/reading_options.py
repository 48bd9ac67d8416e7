"""What a user chooses about the reading of masks and label files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Exif = Literal["turned", "raw"]


@dataclass(frozen=True)
class ReadingOptions:
    """Choices where a file can be read in more than one way.

    index: the number of the class in masks that hold numbers. colour: its RGB colour in masks that hold colours.
    crowd: whether the crowd regions of COCO are read as the class; otherwise they are ignored pixels. exif: whether a
    mask that fits an image both as it is stored and as its EXIF tag turns it was made for the turned image or the raw.
    """

    index: int | None = None
    colour: tuple[int, int, int] | None = None
    crowd: bool = False
    exif: Exif = "turned"


DEFAULT = ReadingOptions()
