"""What a user chooses about the reading of masks and label files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Exif = Literal["turned", "raw"]
Merge = Literal["newest", "union", "majority"]


@dataclass(frozen=True)
class ReadingOptions:
    """Choices where a file can be read in more than one way.

    index: the number of the class in masks that hold numbers. colour: its RGB colour in masks that hold colours.
    crowd: whether the crowd regions of COCO are read as the class; otherwise they are ignored pixels. exif: whether a
    mask that fits an image both as it is stored and as its EXIF tag turns it was made for the turned image or the raw.

    annotator: the id or e-mail address of the one person whose annotations of Label Studio are read; empty for all.
    merge: of several annotations of an image the newest; or what any annotator marked; or what more than half of them
    did, each with the newest annotation.
    """

    index: int | None = None
    colour: tuple[int, int, int] | None = None
    crowd: bool = False
    exif: Exif = "turned"
    annotator: str = ""
    merge: Merge = "newest"


DEFAULT = ReadingOptions()
