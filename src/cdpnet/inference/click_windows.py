"""The window of an image in which clicks are answered: around the object, so that a small one is seen enlarged.

A window is cut out, enlarged and encoded as an image of its own. Every number is our choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from cdpnet.inference.click_cues import Click

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels, the last two not included."""

MOST_ENLARGED = 4.0  # times, of the image as a whole
_MARGIN = 0.25  # beside what is marked in a new window, of its longer side
_LEAST_MARGIN = 0.03  # in a window that is kept
_LOOSE = 1.5  # times that a window which is kept may be as long as a new one
_WHOLE = 0.85  # of the image's longer side, from which a window is the whole image
_OUTSIDE = -8.0  # log-odds


def whole(size: tuple[int, int]) -> Box:
    """The window that is the whole image."""
    return 0, 0, *size


def longer_side(window: Box) -> int:
    """In pixels."""
    return max(window[2] - window[0], window[3] - window[1])


def choose_window(current: Box, marked: Box, size: tuple[int, int]) -> Box:
    """The current window while it fits what is marked in an image (H, W), else a new one."""
    beside = round(_LEAST_MARGIN * longer_side(marked))
    top, left, bottom, right = marked
    least = max(0, top - beside), max(0, left - beside), min(size[0], bottom + beside), min(size[1], right + beside)
    new = _window_around(marked, size)
    fits = union(current, least) == current and longer_side(current) <= _LOOSE * longer_side(new)
    return current if fits else new


def _window_around(marked: Box, size: tuple[int, int]) -> Box:
    least, beside = max(size) / MOST_ENLARGED, 2 * _MARGIN * longer_side(marked)
    begins, ends = [], []
    for begin, end, length in zip(marked[:2], marked[2:], size, strict=True):
        side = min(length, round(max(end - begin + beside, least)))
        begins.append(min(max(0, (begin + end - side) // 2), length - side))
        ends.append(begins[-1] + side)
    window = (begins[0], begins[1], ends[0], ends[1])
    return window if longer_side(window) < _WHOLE * max(size) else whole(size)


def union(one: Box, other: Box) -> Box:
    """The smallest box around both."""
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def box_of(mask: NDArray[np.bool_]) -> Box:
    """The box around a mask that is not empty."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def place(click: Click, window: Box, grid: tuple[int, int]) -> tuple[int, int] | None:
    """The location of a grid (h, w) over the window that a click is in; None where it is outside."""
    row, column = (
        (pixel - begin) * count // (end - begin)
        for pixel, begin, end, count in zip(click[:2], window[:2], window[2:], grid, strict=True)
    )
    return (row, column) if 0 <= row < grid[0] and 0 <= column < grid[1] else None


def marked_box(odds: Tensor, window: Box, clicks: Sequence[Click]) -> Box:
    """The box in the image around all positive clicks, the latest click, and the parts of a mask that they are on.

    odds: log-odds (h, w) of the mask on the grid of the window.
    """
    parts, _ = ndimage.label(odds.numpy() > 0)
    size = odds.shape[0], odds.shape[1]
    found = clicks[-1].row, clicks[-1].column, clicks[-1].row + 1, clicks[-1].column + 1
    numbers = set()
    for click in clicks:
        if click.positive:
            found = union(found, (click.row, click.column, click.row + 1, click.column + 1))
            if (at := place(click, window, size)) is not None:
                numbers.add(int(parts[at]))
    inside = np.isin(parts, list(numbers - {0}))
    if not inside.any():
        return found
    box = box_of(inside)
    unit = [(window[axis + 2] - window[axis]) / size[axis] for axis in (0, 1)]
    top, left, bottom, right = (window[i % 2] + round(box[i] * unit[i % 2]) for i in range(4))
    return union(found, (top, left, bottom, right))


def resample(odds: Tensor, source: Box, target: Box, size: tuple[int, int]) -> Tensor:
    """Log-odds of the source window on a grid (h, w) over the target; nothing is marked outside the source."""
    if source == target:
        return odds
    centres = []
    for axis, count in enumerate(size):
        begin, end = target[axis], target[axis + 2]
        pixels = begin + (torch.arange(count) + 0.5) * (end - begin) / count
        centres.append(2 * (pixels - source[axis]) / (source[axis + 2] - source[axis]) - 1)
    rows, columns = torch.meshgrid(*centres, indexing="ij")
    above = (odds - _OUTSIDE)[None, None]
    found = F.grid_sample(above, torch.stack((columns, rows), dim=2)[None], align_corners=False)
    return found[0, 0] + _OUTSIDE


def share_on_grid(mask: NDArray[np.bool_], window: Box, size: tuple[int, int]) -> Tensor:
    """The share 0..1 of a mask (H, W) at each location of a grid (h, w) over the window."""
    part = torch.from_numpy(mask[window[0] : window[2], window[1] : window[3]].astype(np.float32))
    return F.interpolate(part[None, None], size, mode="area")[0, 0]
