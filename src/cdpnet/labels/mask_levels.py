"""The levels of a mask, grey values or colours, and what they show: soft edges, classes, or a photograph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdpnet.runtime.text import listed

# All numbers are our choice; levels are scaled to 0..255.
_NEAR, _APART = 32, 64
"""Levels that differ by no more are one with noise, as of JPEG; those that differ by as much can be two classes."""
_MOST_SOFT = 0.05  # share of the pixels on soft edges
_FLAT = 1 / 9  # share of a class's pixels inside it; that of a square of 3 x 3
_TWO = 2
_LEAST_FLAT = 0.5  # share of the pixels of a mask that have a level which fills an area
_FEW_LEVELS = 16  # a mask may have so many, however few pixels each of them has
_MOST_SHOWN = 12  # levels in an error message

HIDDEN = 1 << 24  # the value of what is transparent: one more than the last colour
_BLOCK = 2**22  # pixels


class SoftMask(NamedTuple):
    """The two sides of a mask, cut halfway. darker (c,): level of the darker side. is_light (H, W): the other side."""

    darker: NDArray[np.float64]
    is_light: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Levels:
    """The different levels of a mask and where they are.

    values (n,): as the file has them; a colour is its number 0xRRGGBB, and `HIDDEN` what is transparent. scaled (n, c):
    0..255. counts (n,): of pixels. at (H, W): which of the n levels each pixel has.
    """

    values: NDArray[np.int64]
    scaled: NDArray[np.float64]
    counts: NDArray[np.int64]
    at: NDArray[np.uint32]

    @classmethod
    def of_numbers(cls, numbers: NDArray[np.integer], highest: int) -> Levels:
        """The levels of numbers (H, W), 0 to `HIDDEN`; highest: that of white."""
        values, counts, at = _find_levels(numbers)
        return cls(values, np.asarray(values[:, None] * (255.0 / highest), np.float64), counts, at)

    @classmethod
    def of_colours(cls, colours: NDArray[np.uint8], is_visible: NDArray[np.bool_]) -> Levels:
        """The levels of RGB colours (H, W, 3), where they are visible (H, W)."""
        red, green, blue = (colours[..., i].astype(np.int32) for i in range(3))
        values, counts, at = _find_levels(np.where(is_visible, red << 16 | green << 8 | blue, HIDDEN))
        scaled = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.float64)
        scaled[values == HIDDEN] = 0
        return cls(values, scaled, counts, at)

    def are_one(self, chosen: NDArray[np.bool_]) -> bool:
        """Whether chosen levels (n,) are one but for noise and edges: none but those near the first is a class."""
        counts = np.where(chosen, self.counts, 0)
        others = chosen & (self._distances(int(counts.argmax())) > _NEAR)
        return bool(self.counts[others].sum() <= _MOST_SOFT * counts.sum() and not (others & self._are_flat()).any())

    def split_soft(self) -> SoftMask | None:
        """The two sides of a mask with soft edges; None for other masks.

        95 % of its pixels are near two levels, and no level between these fills an area, nor do all levels. Half
        of the pixels or more have a level that does, unlike those of a dark photograph.
        """
        flat = self._are_flat()
        if len(self.values) > _TWO and (flat.all() or self.counts[flat].sum() < _LEAST_FLAT * self.at.size):
            return None
        first = int(self.counts.argmax())
        distance = self._distances(first)
        apart = np.where(distance >= _APART, self.counts, 0)
        second = int(apart.argmax())
        if not apart[second]:
            return None
        between = (distance > _NEAR) & (self._distances(second) > _NEAR)
        if self.counts[between].sum() > _MOST_SOFT * self.at.size or (between & flat).any():
            return None
        dark, light = sorted((self.scaled[first], self.scaled[second]), key=lambda level: float(level.sum()))
        is_light = (self.scaled - (light + dark) / 2) @ (light - dark) > 0
        return SoftMask(dark, is_light[self.at])

    def look_like_a_photograph(self) -> bool:
        """Whether there are many levels and most of them fill no area."""
        return len(self.values) > _FEW_LEVELS and float(self._are_flat().mean()) < 1 / 2

    def shown(self, chosen: Sequence[int], spelling: str) -> str:
        """Some of the levels with their shares of the pixels, the largest first, for a message."""
        order = sorted(chosen, key=lambda i: -int(self.counts[i]))
        shares = [
            f"{spelling.format(int(self.values[i]))} ({100 * self.counts[i] / self.at.size:.1f} %)" for i in order
        ]
        return listed(shares, _MOST_SHOWN)

    def _distances(self, i: int) -> NDArray[np.float64]:
        """How far each level is from one of them, in its channel that differs most, (n,)."""
        return np.asarray(np.abs(self.scaled - self.scaled[i]).max(axis=1))

    def _are_flat(self) -> NDArray[np.bool_]:
        """Which levels fill areas, (n,): of their pixels, enough have neighbours of the same level all around."""
        at = self.at
        middle = at[1:-1, 1:-1]
        inside = np.ones(middle.shape, np.bool_)
        for dy in range(3):
            for dx in range(3):
                inside &= at[dy : dy + middle.shape[0], dx : dx + middle.shape[1]] == middle
        return _count(middle[inside][None], len(self.values)) >= _FLAT * self.counts


def _find_levels(numbers: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]:
    """The different numbers of an array (H, W), how often each is there, and which of them each pixel has (H, W)."""
    counts = _count(numbers, int(numbers.max()) + 1)
    values = np.flatnonzero(counts)
    position = np.zeros(len(counts), np.uint32)
    position[values] = np.arange(len(values))
    at = np.empty(numbers.shape, np.uint32)
    for rows in _blocks(numbers):
        at[rows] = position[numbers[rows]]
    return values, counts[values], at


def _count(numbers: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """How often each number below n is in an array (H, W)."""
    total = np.zeros(n, np.int64)
    for rows in _blocks(numbers):
        total += np.bincount(numbers[rows].ravel(), minlength=n)
    return total


def _blocks(array: NDArray[np.integer]) -> Iterator[slice]:
    """Rows of an array (H, W), some at a time, since counting and looking up take eight bytes for each pixel."""
    step = max(1, _BLOCK // max(1, array.shape[1]))
    return (slice(start, start + step) for start in range(0, array.shape[0], step))
