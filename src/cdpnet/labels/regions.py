"""Labels of an image as all formats share them: named regions as COCO run lengths."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cdpnet.io import run_lengths
from cdpnet.io.run_lengths import RunLengths
from cdpnet.labels.reading_notes import Note

MOST_SHAPES = 20_000  # in the label file of one image (our choice; dense scenes have some thousands)


@dataclass(frozen=True)
class Region:
    """The pixels of one class in an image.

    counts: COCO's compressed run lengths of the mask, which keep holes. score: confidence, 0..1.
    """

    label: str
    counts: str
    score: float = 1.0


@dataclass(frozen=True)
class ImageLabels:
    """An image and its regions. image: its path below the folder of images, with ``/``; height and width in pixels.

    notes: what a user should know about how a label file was read, such as what is left out.
    """

    image: str
    height: int
    width: int
    regions: tuple[Region, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels of the regions in order, each once."""
        return tuple(dict.fromkeys(region.label for region in self.regions))

    def mask(self, region: Region) -> NDArray[np.uint8]:
        """The mask of a region, (H, W), 0 or 1. FieldError where its run lengths are not those of this image."""
        return run_lengths.decode(self._run_lengths(region))

    def class_mask(self, label: str) -> NDArray[np.uint8]:
        """All regions with a label as one mask (H, W), 0 or 1."""
        masks = [self._run_lengths(region) for region in self.regions if region.label == label]
        return run_lengths.decode(run_lengths.merge(masks)) if masks else np.zeros(self.size, np.uint8)

    def only(self, classes: Collection[str]) -> ImageLabels:
        """The labels without regions of other classes."""
        return replace(self, regions=tuple(region for region in self.regions if region.label in classes))

    def class_numbers(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """The number of the class of each pixel (H, W), from 1, 0 for none; the later of regions that overlap wins."""
        found = np.zeros(self.size, np.int64)
        self.write_numbers(classes, found)
        return found

    def write_numbers(self, classes: Sequence[str], found: NDArray[np.int64] | NDArray[np.uint8]) -> None:
        """Write the numbers of `class_numbers` into zeros (H, W), which may be smaller numbers for a large image."""
        for region in self.regions:
            np.copyto(found, classes.index(region.label) + 1, where=self.mask(region).view(np.bool_))

    @property
    def has_overlaps(self) -> bool:
        """Whether a pixel belongs to several classes."""
        each = [[self._run_lengths(one) for one in self.regions if one.label == name] for name in self.class_names]
        merged = [run_lengths.merge(regions) for regions in each]
        return len(each) > 1 and run_lengths.area(run_lengths.merge(merged)) < sum(map(run_lengths.area, merged))

    def area(self, region: Region) -> int:
        """The area of a region in pixels."""
        return run_lengths.area(self._run_lengths(region))

    def bounding_box(self, region: Region) -> list[float]:
        """The bounding box of a region: left, top, width, height in pixels."""
        return run_lengths.bounding_box(self._run_lengths(region))

    def _run_lengths(self, region: Region) -> RunLengths:
        """Checked, since a region may come from a file, such as the journal of a job."""
        return run_lengths.check_compressed(region.counts, self.size)


def region_from_mask(mask: NDArray[np.bool_], label: str, score: float = 1.0) -> Region:
    """The region of a mask (H, W)."""
    return Region(label, run_lengths.encode_mask(mask)["counts"].decode(), score)


def region_from_outlines(
    outlines: Iterable[Sequence[object]], size: tuple[int, int], label: str, score: float = 1.0
) -> Region:
    """The region inside closed outlines, each x1, y1, x2, y2, .. in pixels, filled by COCO's rule.

    size: H, W of the image. FieldError for an outline of fewer than three points, or one that no image has.
    """
    return Region(label, run_lengths.encode_outlines(outlines, size)["counts"].decode(), score)
