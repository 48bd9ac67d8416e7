"""The interface of a data set on disk, whatever its format: named classes, images, and the labels of their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError

ImageSet = Literal["train", "val", "test"]
"""The images of training, of validation and of tests; most data sets have the same ones for the last two, as val."""
TWO_SETS: tuple[ImageSet, ...] = ("train", "val")


class DatasetReader(Protocol):
    """A data set on disk. Classes are numbered 1..n in labels, in the order of ``class_names``; 0 is background.

    An image has an identifier that is unique within its image set; lists and their hashes are made of identifiers.
    """

    @property
    def root(self) -> Path:
        """The folder of the data."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the n classes in plain words."""
        ...

    @property
    def image_sets(self) -> tuple[ImageSet, ...]:
        """The image sets that differ: `TWO_SETS`, or with tests of their own."""
        ...

    @property
    def categories(self) -> tuple[str, ...] | None:
        """The category of each class, such as animal for dog; None where the data set has no categories."""
        ...

    @property
    def edition(self) -> str:
        """Which edition of the data set this is; empty where there is only one."""
        ...

    def identifiers(self, image_set: ImageSet) -> tuple[str, ...]:
        """The images of an image set, in the order of its list."""
        ...

    def image_path(self, image_set: ImageSet, identifier: str) -> Path:
        """The file of an image."""
        ...

    def labels(self, image_set: ImageSet, identifier: str) -> NDArray[np.int16]:
        """The class of every pixel, (H, W): 1..n, 0 background, `UNLABELLED`. DataError where they cannot be read."""
        ...

    def label_files(self, image_set: ImageSet) -> list[Path]:
        """The files that the labels of an image set come from; an index is rebuilt when one of them changes."""
        ...


def check_label_size(path: Path, labels: tuple[int, ...], image: tuple[int, int]) -> None:
    """DataError where the labels of an image have another size than it. labels, image: H, W. path: the image's."""
    if labels != image:
        raise DataError(
            f"The mask of {path} is {labels[1]} x {labels[0]} pixels and the image {image[1]} x {image[0]}; a mask has "
            "the size of its image."
        )
