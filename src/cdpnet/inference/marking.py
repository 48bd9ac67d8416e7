"""Mark an object by clicks: the image is encoded once, and every click changes the mask within a moment (our addition).

The features of the clicks are prototypes of the object and of what is beside it. What they and the distances to the
clicks say about a location (`click_cues`) is weighed by a small function, see `ClickModel`. Its answer is made to
follow the edges of the image and the clicks (`click_smoothing`); the result is the mask in progress, which the next
click starts from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy import ndimage
from torch import Tensor, nn

from cdpnet.errors import DataError
from cdpnet.inference.click_cues import N_CUES, Click, Latest, Nearest, add_click, cues, latest_click, nothing
from cdpnet.inference.click_grid import ClickGrid
from cdpnet.inference.click_smoothing import smooth

_WIDTH = 96
_PASSES = 2  # times that the mask in progress is taken into account after a click
_CERTAIN = 4.0  # log-odds of a mask that is given
_LARGEST = 8.0  # log-odds of an answer
_HELD = 24  # states that are kept, so that undoing a click is as fast as making one
WEIGHTS = "clicks.safetensors"

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels, the last two not included."""


class ClickModel(nn.Module):
    """Cues (..., n) -> the log-odds of the object (...): two hidden layers, the same at every location."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_CUES))
        self.register_buffer("std", torch.ones(N_CUES))
        self.layers = nn.Sequential(
            nn.Linear(N_CUES, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1)
        )

    def forward(self, cues: Tensor) -> Tensor:
        """The same shape without the last axis."""
        odds: Tensor = self.layers((cues - self.mean) / self.std)
        return odds[..., 0]


@lru_cache(maxsize=1)
def load_click_model() -> ClickModel:
    """The model with the weights of the package."""
    model = ClickModel()
    with as_file(files("cdpnet.weights") / WEIGHTS) as path:
        model.load_state_dict(load_file(path))
    return model.eval()


class ClickState(NamedTuple):
    """After some clicks: the maps of both kinds, the mask in progress as log-odds (h, w), the latest click, all places.

    places: of the clicks on the grid, row, column and whether positive.
    """

    positive: Nearest
    negative: Nearest
    odds: Tensor
    latest: Latest | None
    places: tuple[tuple[int, int, bool], ...]

    def cues(self, grid: ClickGrid, odds: Tensor) -> Tensor:
        """What the click model reads (n, h, w) after a click, with log-odds (h, w) as the mask in progress."""
        assert self.latest is not None
        return cues(grid, self.positive, self.negative, self.latest, odds, len(self.places))


class Marking:
    """One image that an object is being marked in; made by `Segmenter.begin`.

    The same clicks always give the same mask. image: (3, h, w) uint8 at working size. features: F (C, h', w'), on the
    CPU. size: H, W of the image in pixels. details: of the image, see `ImageEncoder.details`.
    """

    def __init__(
        self,
        image: Tensor,
        features: Tensor,
        size: tuple[int, int],
        model: ClickModel | None = None,
        details: Sequence[Tensor] = (),
    ) -> None:
        self.size = size
        self.grid = ClickGrid(image, features, details)
        self.model = model or load_click_model()
        self._mask: NDArray[np.uint8] | None = None
        self._held: deque[tuple[tuple[Click, ...], ClickState]] = deque(maxlen=_HELD)

    @torch.no_grad()
    def mask(
        self,
        clicks: Sequence[Click | tuple[int, int, bool]],
        box: Box | None = None,
        mask: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """The mask (H, W) of the object, 0 and 1, from clicks in their order.

        box: the object lies inside; without a click its middle is clicked. mask: (H, W), one in progress that the
        clicks correct; what is not 0 is the object.

        DataError for a click or box outside the image, for no positive click where there is no box or mask, and for a
        mask of another size.
        """
        given = self._check([Click(*click) for click in clicks], box, mask)
        state = self.replay(given, mask)
        found = F.interpolate(state.odds[None, None], self.size, mode="bilinear")[0, 0].numpy() > 0
        for click in given:
            found[click.row, click.column] = click.positive  # also at the rim of its location of the grid
        if box is not None:
            found &= _inside(box, self.size)
        return _connected(found, given, mask)

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
            clicks = [*_clicks_of_box(box, self.size), *clicks]
        if mask is not None and mask.shape != self.size:
            raise DataError(f"The mask is {mask.shape[1]} x {mask.shape[0]} pixels and its image {w} x {h}.")
        if mask is None and not any(click.positive for click in clicks):
            raise DataError("There is no click on the object; click on it, or draw a box around it.")
        return tuple(clicks)

    @torch.no_grad()
    def replay(self, clicks: tuple[Click, ...], mask: NDArray[np.uint8] | None = None) -> ClickState:
        """The state after the clicks; it goes on from the latest one of those before that the clicks begin with."""
        same = self._mask is mask if mask is None or self._mask is None else np.array_equal(mask, self._mask)
        if not same:
            self._mask = None if mask is None else mask.copy()
            self._held.clear()
        done: tuple[Click, ...] = ()
        state = self._begin(mask)
        for before, held in self._held:
            if len(before) > len(done) and clicks[: len(before)] == before:
                done, state = before, held
        for count in range(len(done), len(clicks)):
            state = self._add(state, clicks[count])
            self._held.append((clicks[: count + 1], state))
        return state

    def _begin(self, mask: NDArray[np.uint8] | None) -> ClickState:
        odds = torch.zeros(self.grid.size)
        if mask is not None:
            share = F.interpolate(torch.from_numpy(mask != 0).float()[None, None], self.grid.size, mode="area")[0, 0]
            odds = _CERTAIN * (2 * share - 1)
        return ClickState(nothing(self.grid), nothing(self.grid), odds, None, ())

    def _add(self, state: ClickState, click: Click) -> ClickState:
        rows, columns = self.grid.size
        row, column = click.row * rows // self.size[0], click.column * columns // self.size[1]
        positive, negative, odds, _, places = state
        latest = latest_click(self.grid, odds, row, column, positive=click.positive)
        if click.positive:
            positive = add_click(self.grid, positive, row, column)
        else:
            negative = add_click(self.grid, negative, row, column)
        state = ClickState(positive, negative, odds, latest, (*places, (row, column, click.positive)))
        for _ in range(_PASSES):
            answer = self.model(state.cues(self.grid, state.odds).flatten(1).T).reshape(self.grid.size)
            state = state._replace(odds=smooth(answer.clamp(-_LARGEST, _LARGEST), self.grid.ties, state.places))
        return state


def _clicks_of_box(box: Box, size: tuple[int, int]) -> list[Click]:
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
