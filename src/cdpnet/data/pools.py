"""What a protocol may choose from: which pictures show which of the wanted classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cdpnet.data.index import Index

LARGE_AREA = 2 * 32 * 32  # pixels that a class must cover to count in PFENet's, BAM's and SSP's lists
LARGE_SHARE = 0.005  # of the picture, in our own protocol
LargeFrom = Literal["area", "share", "any"]


@dataclass(frozen=True, eq=False)
class Pool:
    """Pairs of picture and class, in the order of the list; classes are numbered from 1.

    large: the pairs in which the class covers enough of the picture to be asked for. classes: those that are wanted,
    whether or not a picture shows them.
    """

    pairs: tuple[tuple[str, int], ...]
    large: frozenset[tuple[str, int]]
    classes: tuple[int, ...]

    @cached_property
    def classes_in(self) -> dict[str, list[int]]:
        """The wanted classes of every picture, sorted, of any area."""
        found: dict[str, list[int]] = {}
        for picture, class_number in self.pairs:
            found.setdefault(picture, []).append(class_number)
        return {picture: sorted(numbers) for picture, numbers in found.items()}

    @cached_property
    def kept(self) -> list[str]:
        """The pictures in which a wanted class is large, in the order of the list."""
        shown = {picture for picture, _ in self.large}
        return [picture for picture in self.classes_in if picture in shown]

    @cached_property
    def of_class(self) -> dict[int, list[str]]:
        """The pictures of every class, of any area, in the order of the list."""
        return self._by_class(self.pairs)

    @cached_property
    def large_of_class(self) -> dict[int, list[str]]:
        """The pictures in which a class is large."""
        return self._by_class(pair for pair in self.pairs if pair in self.large)

    def _by_class(self, pairs: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {number: [] for number in self.classes}
        for picture, class_number in pairs:
            found[class_number].append(picture)
        return found


def pool_of_index(index: Index, wanted: Sequence[int], kept_out: Sequence[int], large_from: LargeFrom) -> Pool:
    """The pool of the ``wanted`` classes without pictures that show a class to be ``kept_out``.

    large_from: what a class must cover to be large: `LARGE_AREA` pixels, `LARGE_SHARE` of its picture, or any pixel.
    """
    pairs, large = [], []
    for picture, size, areas in zip(index.identifiers, index.sizes.tolist(), index.areas.tolist(), strict=True):
        if any(areas[number - 1] for number in kept_out):
            continue
        least = {"area": LARGE_AREA, "share": LARGE_SHARE * size[0] * size[1], "any": 1}[large_from]
        shown = [number for number in wanted if areas[number - 1]]
        pairs += [(picture, number) for number in shown]
        large += [(picture, number) for number in shown if areas[number - 1] >= least]
    return Pool(tuple(pairs), frozenset(large), tuple(wanted))
