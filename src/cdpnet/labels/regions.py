"""Labels of an image as all formats share them: named regions as COCO run lengths, and their outlines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cdpnet.io import run_lengths
from cdpnet.io.run_lengths import RunLengths


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

    notes: what a user should know about how a label file was read, such as what is left out, each a sentence without
    the name of the file and the full stop.
    """

    image: str
    height: int
    width: int
    regions: tuple[Region, ...] = ()
    notes: tuple[str, ...] = ()

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


def trace_outlines(mask: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """The outline of every connected part of a mask (H, W), each (n, 2) as x, y in pixels.

    Corners lie half-way between pixel centres, so filling an outline by the rule of pixel centres, as COCO does, gives
    the same mask again. Most formats have no holes, so a hole is joined to the outer outline by a cut of zero width.
    """
    padded = np.pad(mask.astype(np.float64), 1)
    generator = contour_generator(z=padded, fill_type=FillType.OuterOffset)
    parts, offsets = cast("tuple[list[NDArray[np.float64]], list[NDArray[np.uint32]]]", generator.filled(0.5, np.inf))
    outlines = []
    for points, starts in zip(parts, offsets, strict=True):
        # The padding shifts points by a whole pixel; a pixel's centre is half a pixel from its corner.
        rings = [_drop_collinear_points(points[a : b - 1] - 0.5) for a, b in pairwise(starts.tolist())]
        outlines.append(_join_holes(rings))
    return outlines


def _drop_collinear_points(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed ring (n, 2) without the points in the middle of straight lines."""
    ahead, behind = np.roll(ring, -1, axis=0) - ring, ring - np.roll(ring, 1, axis=0)
    is_corner = ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]
    corners: NDArray[np.float64] = ring[is_corner]
    return corners


def _join_holes(rings: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """An outer ring and its holes as one closed line, which goes to each hole and returns along the same cut."""
    line = rings[0]
    for hole in rings[1:]:
        distance, nearest = (np.asarray(part) for part in KDTree(line).query(hole))
        j = int(distance.argmin())
        i = int(nearest[j])
        detour = np.concatenate([np.roll(hole, -j, axis=0), hole[j : j + 1], line[i : i + 1]])
        line = np.concatenate([line[: i + 1], detour, line[i + 1 :]])
    return line
