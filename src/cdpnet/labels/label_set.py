"""Where labels go, and what they may be called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cdpnet.io.files import write_text

NAMES = "classes.txt"
FormatName = Literal["png", "coco", "labelme", "yolo", "labelstudio"]


@dataclass(frozen=True)
class LabelSet:
    """The labels of a folder of images. classes: by number, from 1 where a format counts from 1."""

    images: Path
    out: Path
    classes: tuple[str, ...]

    def write_names(self) -> None:
        """Write the names of the classes, one a line."""
        write_text("".join(f"{name}\n" for name in self.classes), self.out / NAMES)
