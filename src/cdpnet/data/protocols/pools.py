"""What a protocol may choose from: which images show which of the wanted classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cdpnet.data.protocols.index import Index

LARGE_AREA = 2 * 32 * 32  # pixels that a class must cover to count in PFENet's, BAM's and SSP's lists
LARGE_SHARE = 0.005  # of the image, in our own protocol
LargeFrom = Literal["area", "share", "any"]


@dataclass(frozen=True, eq=False)
class Pool:
    """Pairs of image and class, in the order of the list; classes are numbered from 1.

    large: the pairs in which the class covers enough of the image to be asked for. classes: those that are wanted,
    whether or not an image shows them.
    """

    pairs: tuple[tuple[str, int], ...]
    large: frozenset[tuple[str, int]]
    classes: tuple[int, ...]

    @cached_property
    def classes_in(self) -> dict[str, list[int]]:
        """The wanted classes of every image, sorted, of any area."""
        found: dict[str, list[int]] = {}
        for image, class_number in self.pairs:
            found.setdefault(image, []).append(class_number)
        return {image: sorted(numbers) for image, numbers in found.items()}

    @cached_property
    def kept(self) -> list[str]:
        """The images in which a wanted class is large, in the order of the list."""
        shown = {image for image, _ in self.large}
        return [image for image in self.classes_in if image in shown]

    @cached_property
    def of_class(self) -> dict[int, list[str]]:
        """The images of every class, of any area, in the order of the list."""
        return self._by_class(self.pairs)

    @cached_property
    def large_of_class(self) -> dict[int, list[str]]:
        """The images in which a class is large."""
        return self._by_class(pair for pair in self.pairs if pair in self.large)

    def _by_class(self, pairs: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {number: [] for number in self.classes}
        for image, class_number in pairs:
            found[class_number].append(image)
        return found


def pool_of_index(index: Index, wanted: Sequence[int], kept_out: Sequence[int], large_from: LargeFrom) -> Pool:
    """The pool of the ``wanted`` classes without images that show a class to be ``kept_out``.

    large_from: what a class must cover to be large: `LARGE_AREA` pixels, `LARGE_SHARE` of its image, or any pixel.
    """
    pairs, large = [], []
    for image, size, areas in zip(index.identifiers, index.sizes.tolist(), index.areas.tolist(), strict=True):
        if any(areas[number - 1] for number in kept_out):
            continue
        least = {"area": LARGE_AREA, "share": LARGE_SHARE * size[0] * size[1], "any": 1}[large_from]
        shown = [number for number in wanted if areas[number - 1]]
        pairs += [(image, number) for number in shown]
        large += [(image, number) for number in shown if areas[number - 1] >= least]
    return Pool(tuple(pairs), frozenset(large), tuple(wanted))
