"""Images of a data set for a simulation: each is encoded once, and taught or segmented as often as needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.data.readers.reader import DatasetReader, ImageSet, check_label_size
from cdpnet.errors import DataError
from cdpnet.experiments.config import CorrectionConfig
from cdpnet.inference.class_examples import ClassExample
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.learning import Support, encode_support, pool_example
from cdpnet.inference.preprocessing import PreprocessedImage, resize_to
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.image_tensors import read_image
from cdpnet.runtime.constants import IGNORE_INDEX, UNLABELLED
from cdpnet.runtime.metrics import mask_iou

Place = tuple[ImageSet, str]
"""An image of a data set: its set and its identifier."""

TESTED = 3
"""One in so many images of a class is for testing only."""
_HELD = 512  # encoded images; `photo` needs 3.5 MB for one of 640 x 426 pixels


class ShownImage(NamedTuple):
    """An image: its features F (1, C, h, w), its truth of one class (H, W) as labels, and its example of the class."""

    image: PreprocessedImage
    features: Tensor
    truth: NDArray[np.uint8]
    example: ClassExample


class ShownImages:
    """The images of a data set, in one piece at working size; those that several classes need are encoded once."""

    def __init__(self, segmenter: Segmenter, reader: DatasetReader) -> None:
        self.segmenter, self.reader = segmenter, reader
        self._encoded = lru_cache(maxsize=_HELD)(self._encode)

    def find_classes(self, config: CorrectionConfig) -> dict[int, list[Place]]:
        """The classes that enough images show, by number, and these images. DataError where there is none."""
        reader = self.reader
        places: dict[int, list[Place]] = {number: [] for number in range(1, len(reader.class_names) + 1)}
        for place in self._places():
            labels = reader.labels(*place)
            numbers, areas = np.unique(labels[labels > 0], return_counts=True)
            for number, area in zip(numbers.tolist(), areas.tolist(), strict=True):
                if area >= config.min_pixels and area < labels.size:
                    places[number].append(place)
        found = {number: shown for number, shown in places.items() if len(shown) >= config.at_least}
        if not found:
            raise DataError(f"No class is shown by {config.at_least} images of {reader.root}; give a lower --at-least.")
        return found

    def find_absent(self, number: int, min_pixels: int) -> list[Place]:
        """The images in which no pixel has the class of this number, and fewer than ``min_pixels`` are unlabelled."""
        return [place for place in self._places() if _is_without(self.reader.labels(*place), number, min_pixels)]

    def show(self, place: Place, number: int) -> ShownImage:
        """An image and its example of the class of this number; where it does not show it, of its background only."""
        name, labels = self.reader.class_names[number - 1], self.reader.labels(*place)
        truth = np.where(labels == UNLABELLED, IGNORE_INDEX, labels == number).astype(np.uint8)
        image, features = self._encoded(place)
        check_label_size(self.reader.image_path(*place), labels.shape, image.original_size)
        mask = torch.from_numpy(truth)[None, None].float()
        mask = torch.nn.functional.interpolate(mask, size=image.image.shape[-2:], mode="nearest-exact")[0, 0]
        support = Support(image.image, mask.to(self.segmenter.device, torch.uint8), "")
        encoded = encode_support(self.segmenter.network, support, features)
        return ShownImage(image, features, truth, pool_example(self.segmenter.network, encoded, name, None))

    def segment(self, classes: Sequence[ClassPrototype], images: Sequence[ShownImage]) -> list[Segmentation]:
        """The results for some images, as the segmenter finds them."""
        preprocessed, features = [shown.image for shown in images], [shown.features[0] for shown in images]
        return self.segmenter.segment_preprocessed(preprocessed, classes, features=features)

    def _places(self) -> list[Place]:
        return [(part, name) for part in self.reader.image_sets for name in self.reader.identifiers(part)]

    def _encode(self, place: Place) -> tuple[PreprocessedImage, Tensor]:
        """An image at working size, and its features F (1, C, h, w)."""
        original = read_image(self.reader.image_path(*place))
        resized = resize_to(original, self.segmenter.preprocessing.longest_side).to(self.segmenter.device)
        features = self.segmenter.network.image.features(resized[None])
        return PreprocessedImage(resized, (original.shape[1], original.shape[2])), features


def _is_without(labels: NDArray[np.int16], number: int, min_pixels: int) -> bool:
    return not (labels == number).any() and bool((labels == UNLABELLED).sum() < min_pixels)


def iou_in_percent(found: Segmentation, truth: NDArray[np.uint8]) -> float:
    """The IoU of a mask in percent, without the pixels that are not labelled."""
    counted, masked, there = truth != IGNORE_INDEX, found.mask == 1, truth == 1
    return 100 * mask_iou(masked & counted, there)
