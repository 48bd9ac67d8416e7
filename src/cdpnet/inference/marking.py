"""Mark an object by clicks: the image is encoded once, and every click changes the mask within a moment (our addition).

The features of the clicks are prototypes of the object and of what is beside it. What they and the distances to the
clicks say about a location (`click_cues`) is weighed by a small function (`click_model`). Its answer is made to follow
the edges of the image and the clicks (`click_smoothing`); the result is the mask in progress, which the next click
starts from. As soon as it is known how small the object is, only a window around it is looked at (`click_windows`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.inference.click_cues import Click, Latest, Nearest, add_click, cues, cues_of_given, latest_click, nothing
from cdpnet.inference.click_grid import ClickGrid
from cdpnet.inference.click_model import ClickModel, load_click_model
from cdpnet.inference.click_smoothing import smooth
from cdpnet.inference.click_windows import (
    Box,
    box_of,
    choose_window,
    marked_box,
    place,
    resample,
    share_on_grid,
    union,
    whole,
)

_PASSES = 2  # times that the mask in progress is taken into account after a click
_CERTAIN = 4.0  # log-odds of a mask that is given, and of what is outside a box
_IN_BOX = 1.0  # log-odds inside a box, outside which nothing is
_LARGEST = 8.0  # log-odds of an answer
_HELD = 24  # states that are kept, so that undoing a click is as fast as making one
_ROUGH = 1  # clicks whose mask tells too little of the object's size
_WINDOWS = 3  # that are kept


class ClickState(NamedTuple):
    """After some clicks: the window that is looked at, and there the mask in progress as log-odds (h, w).

    positive, negative, latest: what is known of the clicks in the window. given: the mask that is corrected there
    (h, w), -1 beside the object to 1 on it; None where there is none.
    """

    clicks: tuple[Click, ...]
    window: Box
    odds: Tensor
    positive: Nearest
    negative: Nearest
    latest: Latest | None
    given: Tensor | None

    def cues(self, grid: ClickGrid) -> Tensor:
        """What the click model reads (n, h, w); grid: of the window."""
        assert self.latest is not None
        found = cues(grid, self.positive, self.negative, self.latest, self.odds, len(self.clicks))
        return found if self.given is None else torch.cat((found, cues_of_given(self.given)))


class Marking:
    """One image that an object is being marked in; made by `Segmenter.begin`.

    The same clicks always give the same mask. encode: what gives the grid of a window of the image, see
    `window_encoder`. size: H, W of the image in pixels.
    """

    def __init__(
        self, encode: Callable[[Box], ClickGrid], size: tuple[int, int], model: ClickModel | None = None
    ) -> None:
        self.size = size
        self.grid = lru_cache(maxsize=_WINDOWS)(encode)
        self.grid(whole(size))
        self.model = model
        self._box: Box | None = None
        self._mask: NDArray[np.uint8] | None = None
        self._given: Box | None = None  # around both
        self._held: deque[ClickState] = deque(maxlen=_HELD)

    @torch.no_grad()
    def mask(
        self,
        clicks: Sequence[Click | tuple[int, int, bool]],
        box: Box | None = None,
        mask: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """The mask (H, W) of the object, 0 and 1, from clicks in their order.

        box: the object lies inside; its middle is clicked. mask: (H, W), one in progress that the clicks correct; what
        is not 0 is the object.

        DataError for a click or box outside the image, for no positive click where there is no box or mask, and for a
        mask of another size.
        """
        return self.pixels(self.replay(self._check([Click(*click) for click in clicks], box, mask), box, mask))

    def _check(self, clicks: list[Click], box: Box | None, mask: NDArray[np.uint8] | None) -> tuple[Click, ...]:
        """The clicks, those of the box included. DataError as `mask`."""
        h, w = self.size
        for click in clicks:
            if not (0 <= click.row < h and 0 <= click.column < w):
                raise DataError(f"The click at row {click.row}, column {click.column} is outside the {w} x {h} pixels.")
        if box is not None:
            top, left, bottom, right = box
            if not (0 <= top < bottom <= h and 0 <= left < right <= w):
                raise DataError(f"The box {tuple(box)} is not top, left, bottom, right inside the {w} x {h} pixels.")
            clicks = [*clicks_of_box(box, self.size), *clicks]
        if mask is not None and mask.shape != self.size:
            raise DataError(f"The mask is {mask.shape[1]} x {mask.shape[0]} pixels and its image {w} x {h}.")
        if mask is None and not any(click.positive for click in clicks):
            raise DataError("There is no click on the object; click on it, or draw a box around it.")
        return tuple(clicks)

    @torch.no_grad()
    def replay(
        self, clicks: tuple[Click, ...], box: Box | None = None, mask: NDArray[np.uint8] | None = None
    ) -> ClickState:
        """The state after the clicks; it goes on from the latest one of those before that the clicks begin with."""
        if box != self._box or not _same(mask, self._mask):
            self._box, self._mask = box, None if mask is None else mask.copy()
            boxes = [one for one in (box, None if mask is None or not mask.any() else box_of(mask != 0)) if one]
            self._given = reduce(union, boxes) if boxes else None
            self._held.clear()
        before = [held for held in self._held if clicks[: len(held.clicks)] == held.clicks]
        state = max(before, key=lambda held: len(held.clicks)) if before else self._begin()
        for click in clicks[len(state.clicks) :]:
            *_, state = self.answers(state, click)
            self._held.append(state)
        return state

    def _begin(self) -> ClickState:
        window = self._fit(whole(self.size), None)
        grid = self.grid(window)
        odds = torch.zeros(grid.size)
        given = self._given_in(window, grid.size)
        if given is not None:
            odds = _CERTAIN * given
        elif self._box is not None:
            inside = share_on_grid(_inside(self._box, self.size), window, grid.size)
            odds = _IN_BOX * inside - _CERTAIN * (1 - inside)
        return ClickState((), window, odds, nothing(grid), nothing(grid), None, given)

    def _given_in(self, window: Box, size: tuple[int, int]) -> Tensor | None:
        return None if self._mask is None else 2 * share_on_grid(self._mask != 0, window, size) - 1

    def _fit(self, window: Box, marked: Box | None) -> Box:
        """The window that fits what is marked, and the box and mask that were given; where there is none, as it is."""
        boxes = [one for one in (marked, self._given) if one is not None]
        return choose_window(window, reduce(union, boxes), self.size) if boxes else window

    @torch.no_grad()
    def answers(self, before: ClickState, click: Click) -> Iterator[ClickState]:
        """One click more: the states with it that the click model reads in turn, and as the last what it answered."""
        state, clicks = before, (*before.clicks, click)
        model = self.model or load_click_model(corrects=before.given is not None)
        for _ in range(_PASSES):
            is_rough = len(clicks) <= _ROUGH and state.given is None
            marked = None if is_rough else marked_box(state.odds, state.window, clicks)
            window = self._fit(state.window, marked)
            if state is before or window != state.window:
                state = self._look(before, state, clicks, window)
            yield state
            grid = self.grid(window)
            answer = model(state.cues(grid).flatten(1).T).reshape(grid.size)
            fixed = [(*at, one.positive) for one in clicks if (at := place(one, window, grid.size))]
            state = state._replace(odds=smooth(answer.clamp(-_LARGEST, _LARGEST), grid.ties, fixed))
        yield state

    def _look(self, before: ClickState, now: ClickState, clicks: tuple[Click, ...], window: Box) -> ClickState:
        """What the clicks, one more than before, and the mask in progress are in a window."""
        grid = self.grid(window)
        positive, negative, fresh = before.positive, before.negative, clicks[-1:]
        if window != before.window:
            positive, negative, fresh = nothing(grid), nothing(grid), clicks
        for click in fresh:
            if at := place(click, window, grid.size):
                if click.positive:
                    positive = add_click(grid, positive, *at)
                else:
                    negative = add_click(grid, negative, *at)
        at = place(clicks[-1], window, grid.size)
        assert at is not None
        old, odds = (resample(state.odds, state.window, window, grid.size) for state in (before, now))
        latest = latest_click(grid, old, *at, positive=clicks[-1].positive)
        given = before.given if window == before.window else self._given_in(window, grid.size)
        return ClickState(clicks, window, odds, positive, negative, latest, given)

    def pixels(self, state: ClickState) -> NDArray[np.uint8]:
        """The mask (H, W) of a state, 0 and 1: inside the box, and connected to a click or the mask given before."""
        top, left, bottom, right = state.window
        found = np.zeros(self.size, dtype=np.bool_)
        fine = F.interpolate(state.odds[None, None], (bottom - top, right - left), mode="bilinear")[0, 0]
        found[top:bottom, left:right] = fine.numpy() > 0
        for click in state.clicks:
            found[click.row, click.column] = click.positive  # also at the rim of its location of the grid
        if self._box is not None:
            found &= _inside(self._box, self.size)
        return _connected(found, state.clicks, self._mask)


def _same(one: NDArray[np.uint8] | None, other: NDArray[np.uint8] | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def clicks_of_box(box: Box, size: tuple[int, int]) -> list[Click]:
    """A click in the middle of a box, and one beside the middle of each of its sides that is inside the image."""
    top, left, bottom, right = box
    row, column = (top + bottom) // 2, (left + right) // 2
    beside = [(top - 1, column), (bottom, column), (row, left - 1), (row, right)]
    return [
        Click(row, column),
        *(Click(r, c, False) for r, c in beside if 0 <= r < size[0] and 0 <= c < size[1]),
    ]


def _inside(box: Box, size: tuple[int, int]) -> NDArray[np.bool_]:
    inside = np.zeros(size, dtype=bool)
    inside[box[0] : box[2], box[1] : box[3]] = True
    return inside


def _connected(found: NDArray[np.bool_], clicks: Sequence[Click], mask: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """The connected parts of a mask (H, W) that hold a positive click or touch the mask in progress."""
    parts, _ = ndimage.label(found)
    wanted = {int(parts[click.row, click.column]) for click in clicks if click.positive}
    if mask is not None:
        wanted |= set(np.unique(parts[mask != 0]).tolist())
    wanted.discard(0)
    return np.isin(parts, list(wanted)).astype(np.uint8)
