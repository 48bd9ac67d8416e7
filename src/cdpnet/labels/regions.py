"""Labels of an image as all formats share them: named regions as COCO run lengths, and their outlines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy.spatial import KDTree

from cdpnet.errors import DataError


@dataclass(frozen=True)
class Region:
    """Where one class is in an image. counts: COCO's compressed run lengths, which keep holes. score: 0..1."""

    label: str
    counts: str
    score: float = 1.0


@dataclass(frozen=True)
class ImageLabels:
    """An image and its regions, one for each class that was found. image: its path below the folder, with /."""

    image: str
    height: int
    width: int
    regions: tuple[Region, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def mask(self, region: Region) -> NDArray[np.uint8]:
        """A region as (H, W), 0 or 1."""
        decoded: NDArray[np.uint8] = coco_mask.decode({"size": list(self.size), "counts": region.counts.encode()})
        return decoded

    def mask_of(self, label: str) -> NDArray[np.uint8]:
        """All regions with a label as one mask (H, W), 0 or 1."""
        masks = [self.mask(region) for region in self.regions if region.label == label]
        together: NDArray[np.uint8] = np.maximum.reduce([np.zeros(self.size, np.uint8), *masks])
        return together


def from_mask(mask: NDArray[np.bool_], label: str, score: float = 1.0) -> Region:
    """The region of a mask (H, W)."""
    counts = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    return Region(label, counts.decode(), score)


def from_outlines(outlines: Iterable[Sequence[float]], size: tuple[int, int], label: str) -> Region:
    """The region that closed outlines x1, y1, x2, y2, .. in pixels enclose, by COCO's rule; H, W of the image.

    DataError for an outline of fewer than three points.
    """
    flat = [[float(x) for x in outline] for outline in outlines]
    if any(len(outline) < 6 or len(outline) % 2 for outline in flat):
        raise DataError(f"An outline of {label!r} has fewer than three points.")
    merged = (
        coco_mask.merge(coco_mask.frPyObjects(flat, *size)) if flat else coco_mask.encode(np.zeros(size, np.uint8, "F"))
    )
    return Region(label, merged["counts"].decode())


def outlines(mask: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """The outline of every connected part of a mask (H, W), each (n, 2) as x, y in pixels.

    Corners lie half-way between pixels, so that drawing an outline by the rule of pixel centres, as COCO does, gives
    the mask again. A hole is joined to the outside by a cut of no width, since most formats have no holes.
    """
    padded = np.pad(mask.astype(np.float64), 1)
    generator = contour_generator(z=padded, fill_type=FillType.OuterOffset)
    parts, offsets = cast("tuple[list[Any], list[Any]]", generator.filled(0.5, np.inf))
    found = []
    for points, starts in zip(parts, offsets, strict=True):
        # A pixel's centre is half a pixel from its corner; the padding took a whole one.
        rings = [_without_straight_points(points[a : b - 1] - 0.5) for a, b in pairwise(starts.tolist())]
        found.append(_joined(rings))
    return found


def _without_straight_points(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed ring (n, 2) without the points on straight lines."""
    ahead, behind = np.roll(ring, -1, axis=0) - ring, ring - np.roll(ring, 1, axis=0)
    turns = ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]
    kept: NDArray[np.float64] = ring[turns]
    return kept


def _joined(rings: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """An outer ring and its holes as one closed line, which runs to each hole and back on the same way."""
    line = rings[0]
    for hole in rings[1:]:
        distance, nearest = (np.asarray(part) for part in KDTree(line).query(hole))
        j = int(distance.argmin())
        i = int(nearest[j])
        there_and_back = np.concatenate([np.roll(hole, -j, axis=0), hole[j : j + 1], line[i : i + 1]])
        line = np.concatenate([line[: i + 1], there_and_back, line[i + 1 :]])
    return line


def box(labelled: ImageLabels, region: Region) -> list[float]:
    """The bounding box of a region: left, top, width, height in pixels."""
    found: list[float] = coco_mask.toBbox(_rle(labelled, region)).tolist()
    return found


def area(labelled: ImageLabels, region: Region) -> int:
    """The pixels of a region."""
    return int(coco_mask.area(_rle(labelled, region)))


def _rle(labelled: ImageLabels, region: Region) -> dict[str, Any]:
    return {"size": list(labelled.size), "counts": region.counts.encode()}
