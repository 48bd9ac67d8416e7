"""The images among which a protocol chooses: which image shows which of the wanted classes, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from cdpnet.data.protocols.index import Index


@dataclass(frozen=True, eq=False)
class Pool:
    """Pairs of image and class in the order of the list; classes are numbered from 1.

    eligible_pairs: the pairs in which the class covers at least the protocol's minimum area.
    classes: all classes that may be asked for, whether or not an image shows them. class_names: those of all classes of
    the data set, in order, where they are known.
    """

    pairs: tuple[tuple[str, int], ...]
    eligible_pairs: frozenset[tuple[str, int]]
    classes: tuple[int, ...]
    class_names: tuple[str, ...] = ()

    def title(self, number: int) -> str:
        """What a sentence calls a class at its beginning: by its name where that is known, else by its number."""
        return f"The class {self.class_names[number - 1]!r}" if self.class_names else f"Class {number}"

    @cached_property
    def classes_of_image(self) -> dict[str, list[int]]:
        """The classes of every image, sorted, of any area."""
        found: dict[str, list[int]] = {}
        for image, class_number in self.pairs:
            found.setdefault(image, []).append(class_number)
        return {image: sorted(numbers) for image, numbers in found.items()}

    @cached_property
    def query_images(self) -> list[str]:
        """The images that can be queries: some class of theirs is eligible. In the order of the list."""
        eligible = {image for image, _ in self.eligible_pairs}
        return [image for image in self.classes_of_image if image in eligible]

    @cached_property
    def images_of_class(self) -> dict[int, list[str]]:
        """The images of every class, of any area, in the order of the list."""
        return self._group_by_class(self.pairs)

    @cached_property
    def eligible_images_of_class(self) -> dict[int, list[str]]:
        """The images of every class in which it is eligible, in the order of the list."""
        return self._group_by_class(pair for pair in self.pairs if pair in self.eligible_pairs)

    @cached_property
    def eligible_counts(self) -> dict[int, int]:
        """The number of images of every class in which it is eligible; one that a list repeats counts once."""
        return {number: len(set(images)) for number, images in self.eligible_images_of_class.items()}

    def _group_by_class(self, pairs: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {number: [] for number in self.classes}
        for image, class_number in pairs:
            found[class_number].append(image)
        return found


def build_pool(
    index: Index, wanted: Sequence[int], excluded: Collection[int], min_area: Callable[[int, int], float]
) -> Pool:
    """The pool of the ``wanted`` classes, without the images that show an ``excluded`` class.

    min_area: height and width of an image -> pixels that a class must cover there to be eligible.
    """
    pairs, eligible = [], []
    for image, size, areas in zip(index.identifiers, index.sizes.tolist(), index.areas.tolist(), strict=True):
        if any(areas[number - 1] for number in excluded):
            continue
        least = min_area(*size)
        present = [number for number in wanted if areas[number - 1]]
        pairs += [(image, number) for number in present]
        eligible += [(image, number) for number in present if areas[number - 1] >= least]
    return Pool(tuple(pairs), frozenset(eligible), tuple(wanted))
