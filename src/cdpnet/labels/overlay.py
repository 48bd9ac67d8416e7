"""Masks and scores drawn over their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from cdpnet.labels.palette import colour_of
from cdpnet.runtime.constants import IGNORE_INDEX

_BAND = 2**18  # pixels of an overlay that are mixed at a time (our choice)
# Scores to colours; brightness rises with the score, so the order is visible without colour too.
_RAMP = (
    (0.0, (8, 12, 40)),
    (0.3, (70, 30, 130)),
    (0.55, (200, 60, 110)),
    (0.8, (250, 150, 60)),
    (1.0, (255, 245, 180)),
)


def overlay(image: Tensor, mask: NDArray[np.uint8], strength: float = 0.55) -> Image.Image:
    """An image (3, H, W) uint8 with its mask (H, W) of class indices in colour and outlined; the background fades.

    strength: opacity of the colour inside a region, 0..1. Colours are mixed in bands of rows, since as floats they take
    four times the memory of the image.
    """
    pixels, width = image.permute(1, 2, 0).cpu().numpy(), max(1, round(max(mask.shape) / 300))
    edges = np.zeros(mask.shape, np.bool_)
    indices = [int(index) for index in np.unique(mask) if index]
    for index in indices:
        region = mask == index
        edges |= region & ~ndimage.binary_erosion(region, iterations=width, border_value=1)
    shown = np.empty((*mask.shape, 3), np.uint8)
    rows = max(1, _BAND // mask.shape[1])
    for top in range(0, mask.shape[0], rows):
        band = slice(top, top + rows)
        shown[band] = _mix_colours(pixels[band].astype(np.float32), mask[band], edges[band], indices, strength)
    return Image.fromarray(shown)


def _mix_colours(
    pixels: NDArray[np.float32],
    mask: NDArray[np.uint8],
    edges: NDArray[np.bool_],
    indices: Sequence[int],
    strength: float,
) -> NDArray[np.uint8]:
    """Pixels (h, W, 3) as `overlay` shows them, with the edges (h, W) of all regions."""
    grey = pixels.mean(axis=2, keepdims=True)
    result = np.where((mask == 0)[..., None], 0.65 * pixels + 0.35 * (0.5 * grey + 110), pixels)
    for index in indices:
        region, colour = mask == index, np.array(colour_of(index), dtype=np.float32)
        share = 0.25 if index == IGNORE_INDEX else strength
        result[region] = (1 - share) * result[region] + share * colour
        edge = region & edges
        result[edge] = 0.15 * result[edge] + 0.85 * colour
    return result.round().clip(0, 255).astype(np.uint8)


def score_map(image: Tensor, scores: NDArray[np.float32]) -> Image.Image:
    """Scores (H, W) in 0..1 as colours from dark (0) to bright (1) over a darkened image (3, H, W) uint8."""
    grey = image.float().mean(dim=0).cpu().numpy()[..., None]
    steps = [step for step, _ in _RAMP]
    channels = [np.interp(scores, steps, [colour[i] for _, colour in _RAMP]) for i in range(3)]
    shown = 0.35 * grey + 0.65 * np.stack(channels, axis=2)
    return Image.fromarray(shown.round().clip(0, 255).astype(np.uint8))


def thumbnail(image: Tensor, mask: Tensor, side: int = 96) -> NDArray[np.uint8]:
    """A small image of the marked object with its mask, 0 or 255, as a fourth channel, which has no colour yet.

    Image (3, H, W), mask (H, W) -> (h, w, 4), at most ``side`` pixels.
    """
    on = (mask == 1).nonzero()
    first, last = on.amin(dim=0).tolist(), on.amax(dim=0).tolist()
    margin = round(0.15 * max(b - a + 1 for a, b in zip(first, last, strict=True)))
    top, left = (max(0, a - margin) for a in first)
    bottom, right = (b + margin + 1 for b in last)
    small = Image.fromarray(image[:, top:bottom, left:right].permute(1, 2, 0).contiguous().numpy())
    small.thumbnail((side, side))
    marked = (mask[top:bottom, left:right] == 1).to(torch.uint8).numpy() * 255
    small_mask = Image.fromarray(marked).resize(small.size, Image.Resampling.BOX)
    return np.dstack([np.array(small), np.where(np.array(small_mask) >= 128, 255, 0).astype(np.uint8)])
