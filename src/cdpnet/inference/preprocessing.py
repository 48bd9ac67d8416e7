"""Preprocessing: images, and examples with their masks, at the size the network works on (our choice throughout)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.io.image_tensors import ImageSource, read_image, read_reduced, resize_image
from cdpnet.io.images import Reduction
from cdpnet.labels.png import MaskSource, UnusableMaskError, read_mask
from cdpnet.network.prototypes import to_grid
from cdpnet.runtime.constants import SHORTEST_SIDE

_MIN_LOCATIONS = 0.5  # locations of the feature grid that object and background of a support must each cover
_CONTEXT = 1.5  # side of the window around the object of a large support, at least this times the object's longer side


class PreprocessedImage(NamedTuple):
    """An image at working size, (3, h, w) uint8, and its original size H, W."""

    image: Tensor
    original_size: tuple[int, int]


@dataclass(frozen=True)
class Preprocessing:
    """Sizes in pixels.

    longest_side: of an image that goes through the network in one piece. tiles_above: an image with a longer side than
    this is scaled down by no more than ``tiles_above / longest_side`` and goes through the network in tiles. stride:
    of the feature grid.
    """

    longest_side: int
    tiles_above: int
    stride: int

    def load(self, image: ImageSource) -> PreprocessedImage:
        """Read an image and resize it. DataError for one that cannot be used."""
        return self.prepare(*read_reduced(image, self.reduction))

    @property
    def reduction(self) -> Reduction:
        """How images that need tiles are reduced while they are read: to no less than their working size."""
        return Reduction(self.tiles_above, self.tiles_above // self.longest_side)

    def prepare(self, image: Tensor, size: tuple[int, int]) -> PreprocessedImage:
        """What `read_reduced` gave by ``reduction``, an image (3, h, w) and its original size, at working size."""
        return PreprocessedImage(resize_to(image, self.working_side(size)), size)

    def working_side(self, size: tuple[int, int]) -> int:
        """The longer side at most of an image of H, W pixels at working size."""
        return round(self.longest_side * max(1.0, max(size) / self.tiles_above))

    def load_support(self, image: ImageSource, mask: MaskSource) -> tuple[Tensor, Tensor, Tensor]:
        """Read an example: the image (3, h, w) and its mask (h, w) at working size, and the original image (3, H, W).

        DataError for one that cannot be used; UnusableMaskError if object or background are too small at working size.
        """
        original = read_image(image)
        size, name = (original.shape[1], original.shape[2]), _name_of_mask(mask, image)
        is_turned_too = isinstance(image, (str, Path)) and isinstance(mask, (str, Path))
        original_mask = read_mask(mask, size, name, image=Path(str(image)) if is_turned_too else None)
        resized = self.resize(original)
        resized_mask = _resize_mask(original_mask, resized)
        if max(resized.shape[-2:]) > self.longest_side and (resized_mask == 1).any():  # the scale of a tile
            window = _window_around_object(resized_mask, self.longest_side)
            resized = resize_to(resized[:, window[0], window[1]], self.longest_side)
            resized_mask = _resize_mask(resized_mask[window], resized)
        self._check(resized_mask, name)
        return resized, resized_mask, original

    def resize(self, image: Tensor) -> Tensor:
        """An image (3, H, W) at working size, which is larger than ``longest_side`` for one that needs tiles."""
        return resize_to(image, self.working_side((image.shape[-2], image.shape[-1])))

    def _check(self, mask: Tensor, name: str) -> None:
        """UnusableMaskError where a mask (h, w) at working size has too little object or background on the grid."""
        h, w = mask.shape
        sides = torch.stack([mask == 1, mask == 0])
        grid = to_grid(sides, (-(-h // self.stride), -(-w // self.stride)))
        foreground, background = grid.sum(dim=(1, 2)).tolist()
        if foreground < _MIN_LOCATIONS:
            raise UnusableMaskError(
                f"{name} has an object too small or too thin to be seen at {w} x {h} pixels, where the network has one "
                f"location for {self.stride} x {self.stride}; crop the image around it."
            )
        if background < _MIN_LOCATIONS:
            raise UnusableMaskError(f"{name} leaves too little background to compare with; crop less tightly.")


def resize_to(image: Tensor, longest_side: int) -> Tensor:
    """An image (3, H, W) with its longer side at most ``longest_side`` pixels; smaller images are not enlarged."""
    return resize_by(image, min(1.0, longest_side / max(image.shape[-2:])))


def resize_by(image: Tensor, scale: float) -> Tensor:
    """An image (3, H, W) ``scale`` times as large.

    No side becomes shorter than the 32 pixels that an encoder needs, so a very long or tiny image is stretched.
    """
    height, width = (max(SHORTEST_SIDE, round(side * scale)) for side in image.shape[-2:])
    if (height, width) == tuple(image.shape[-2:]):
        return image
    return resize_image(image, (height, width))


def _name_of_mask(mask: MaskSource, image: ImageSource) -> str:
    """What error messages call a mask: its path, or that of its image."""
    if isinstance(mask, (str, Path)):
        return str(mask)
    return f"The mask of {image}" if isinstance(image, (str, Path)) else "the mask"


def _resize_mask(mask: Tensor, image: Tensor) -> Tensor:
    """A mask (H, W) uint8 at the size of an image (3, h, w), by nearest neighbour."""
    size = tuple(image.shape[-2:])
    return F.interpolate(mask[None, None], size=size, mode="nearest-exact")[0, 0]


def _window_around_object(mask: Tensor, side: int) -> tuple[slice, slice]:
    """The square window around the object of a mask (H, W): ``side`` pixels, or more where the object needs it."""
    foreground = (mask == 1).nonzero()
    first, last = foreground.amin(dim=0), foreground.amax(dim=0) + 1
    side = max(side, round(_CONTEXT * int((last - first).max())))
    window = []
    for middle, length in zip(((first + last) // 2).tolist(), mask.shape, strict=True):
        start = min(max(0, middle - side // 2), max(0, length - side))
        window.append(slice(start, min(start + side, length)))
    return window[0], window[1]
