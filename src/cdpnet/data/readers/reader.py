"""What a data set on disk offers, whatever its format: named classes, images, and labels of their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Part = Literal["train", "val"]


class DatasetReader(Protocol):
    """A data set on disk. Classes are numbered 1..n in labels, in the order of ``class_names``; 0 is background.

    An image has an identifier that is unique within its part and is what lists and hashes are made of.
    """

    @property
    def root(self) -> Path:
        """Where it lies."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names as a person would say them, n of them."""
        ...

    @property
    def categories(self) -> tuple[str, ...] | None:
        """The more general name of each class, where the data set has one."""
        ...

    @property
    def edition(self) -> str:
        """Which of several editions of the data this is, if there are several."""
        ...

    def identifiers(self, part: Part) -> tuple[str, ...]:
        """The images of a part, in the order of its list."""
        ...

    def image(self, part: Part, identifier: str) -> Path:
        """The file of an image."""
        ...

    def labels(self, part: Part, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W): 1..n, 0 background, `UNLABELLED`. DataError where they cannot be read."""
        ...

    def sources(self, part: Part) -> list[Path]:
        """The files that the labels of a part are made of; an index is stale when one of them changes."""
        ...
