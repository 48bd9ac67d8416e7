"""How large the network sees images, and examples with their masks (our choice throughout)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.io.images import ImageSource, read_image, resize_image
from cdpnet.labels.png import MaskSource, read_mask
from cdpnet.network.prototypes import to_grid

_LEAST_SEEN = 0.5  # locations of the feature grid that a support's object and background must each amount to
_SHORTEST_SIDE = 32  # pixels
_ROOM_AROUND = 1.5  # of an object's longer side, the least that is shown of a large support


@dataclass(frozen=True)
class Preprocessing:
    """longest_side: of what the network sees at once. tiles_above: side beyond which an image is reduced no further.

    Both in pixels. stride: pixels of a location of the feature grid.
    """

    longest_side: int
    tiles_above: int
    stride: int

    def reduced(self, image: Tensor) -> Tensor:
        """An image (3, H, W) at working size; one that is worked on in tiles stays larger."""
        larger = max(1.0, max(image.shape[-2:]) / self.tiles_above)
        return resized(image, round(self.longest_side * larger))

    def support(self, image: ImageSource, mask: MaskSource) -> tuple[Tensor, Tensor]:
        """An image (3, h, w) and its mask (h, w) at working size. DataError if the object is too small to be seen."""
        image = read_image(image)
        marked = read_mask(mask, (image.shape[1], image.shape[2]))
        small = self.reduced(image)
        small_mask = _nearest(marked, small)
        if max(small.shape[-2:]) > self.longest_side and (small_mask == 1).any():  # seen as large as in a tile
            window = _around(small_mask, self.longest_side)
            small = resized(small[:, window[0], window[1]], self.longest_side)
            small_mask = _nearest(small_mask[window], small)
        self._check(small_mask, str(mask) if isinstance(mask, (str, Path)) else "the mask")
        return small, small_mask

    def _check(self, mask: Tensor, name: str) -> None:
        """DataError where a mask (h, w) at working size leaves the network no object or no background to see."""
        h, w = mask.shape
        sides = torch.stack([mask == 1, mask == 0])
        grid = to_grid(sides, (-(-h // self.stride), -(-w // self.stride)))
        foreground, background = grid.sum(dim=(1, 2)).tolist()
        if foreground < _LEAST_SEEN:
            raise DataError(
                f"The object in {name} is too small or too thin to be seen at {w} x {h} pixels, where the network has "
                f"one location for {self.stride} x {self.stride}; crop the image around it."
            )
        if background < _LEAST_SEEN:
            raise DataError(f"{name} leaves too little background to compare with; crop less tightly.")


def resized(image: Tensor, longest_side: int) -> Tensor:
    """An image (3, H, W) with its longer side at most ``longest_side`` pixels; smaller ones stay as they are.

    No side becomes shorter than an encoder needs, so a very long or tiny image is stretched.
    """
    scale = min(1.0, longest_side / max(image.shape[-2:]))
    height, width = (max(_SHORTEST_SIDE, round(side * scale)) for side in image.shape[-2:])
    if (height, width) == tuple(image.shape[-2:]):
        return image
    return resize_image(image, (height, width))


def _nearest(mask: Tensor, image: Tensor) -> Tensor:
    """A mask (H, W) at the size of an image (3, h, w)."""
    size = tuple(image.shape[-2:])
    return F.interpolate(mask[None, None].float(), size=size, mode="nearest-exact")[0, 0].to(torch.uint8)


def _around(mask: Tensor, side: int) -> tuple[slice, slice]:
    """The square window of ``side`` pixels around the object of a mask (H, W), or more where the object needs it."""
    on = (mask == 1).nonzero()
    first, last = on.amin(dim=0), on.amax(dim=0) + 1
    side = max(side, round(_ROOM_AROUND * int((last - first).max())))
    window = []
    for middle, length in zip(((first + last) // 2).tolist(), mask.shape, strict=True):
        start = min(max(0, middle - side // 2), max(0, length - side))
        window.append(slice(start, min(start + side, length)))
    return window[0], window[1]
