"""`Segmenter`: learn a class from a few marked pictures, then find it in others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.encoders import PAIRS, Pair
from cdpnet.episode import IGNORE_INDEX, Prototypes, mean_prototypes, stack_prototypes
from cdpnet.errors import DataError
from cdpnet.labels.png import MaskSource, read_mask
from cdpnet.network import PrototypeNetwork
from cdpnet.network.prototypes import to_grid
from cdpnet.pictures import PictureSource, read_picture

_LEAST_SEEN = 0.5  # locations of the feature grid that a support's object and background must each amount to
_SHORTEST_SIDE = 32  # pixels


@dataclass(frozen=True)
class ClassPrototype:
    """A class as the network knows it: name, and background, foreground and text prototypes, (C,) each."""

    name: str
    background: Tensor
    foreground: Tensor
    text: Tensor | None

    def as_batch(self) -> Prototypes:
        """As the network takes it: a batch of one class."""
        text = None if self.text is None else self.text[None]
        return Prototypes(self.background[None], self.foreground[None], text)


@dataclass(frozen=True)
class Segmentation:
    """One picture segmented.

    mask (H, W) uint8 at the picture's own size: 0 for nothing, i + 1 for classes[i]. scores (n, H, W) float32: the
    probability of each class against its background.
    """

    mask: NDArray[np.uint8]
    scores: NDArray[np.float32]
    classes: tuple[str, ...]

    @property
    def found(self) -> tuple[str, ...]:
        """The classes that have a pixel in the mask."""
        return tuple(name for i, name in enumerate(self.classes) if (self.mask == i + 1).any())


class Segmenter:
    """Labelled examples in, masks out. Supports are encoded once; a query costs one encoder pass and the match.

    longest_side: pictures are worked on at this size at most (pixels); masks come back at the picture's own size.
    """

    def __init__(self, network: PrototypeNetwork, longest_side: int | None = None) -> None:
        self.network = network.eval()
        pair = PAIRS.get(network.config.encoder.name, Pair("", ""))
        self.longest_side = longest_side or pair.longest_side
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def learn(
        self, name: str, images: PictureSource | Sequence[PictureSource], masks: MaskSource | Sequence[MaskSource]
    ) -> ClassPrototype:
        """Learn a class from K pictures and their masks; an empty name means pictures alone.

        DataError for a picture or mask that cannot be used. Pictures may differ in size: each gives prototypes of its
        own, and since the method averages over shots, their mean is what one batch of equal sizes would give.
        """
        images = [images] if isinstance(images, PictureSource) else images
        masks = [masks] if isinstance(masks, MaskSource) else masks
        if len(images) != len(masks) or not images:
            raise DataError(f"{len(images)} pictures and {len(masks)} masks were given; each picture needs its mask.")
        pairs = [self._support(image, mask) for image, mask in zip(images, masks, strict=True)]
        learned = mean_prototypes(
            [self.network.learn(image[None, None], mask[None, None], (name,)) for image, mask in pairs]
        )
        text = None if learned.text is None else learned.text[0]
        return ClassPrototype(name, learned.background[0], learned.foreground[0], text)

    @torch.inference_mode()
    def segment(self, image: PictureSource, classes: ClassPrototype | Sequence[ClassPrototype]) -> Segmentation:
        """Find one class or several in a picture; a pixel goes to its most probable class, if that beats a half."""
        known = [classes] if isinstance(classes, ClassPrototype) else list(classes)
        if not 1 <= len(known) < IGNORE_INDEX:
            raise DataError(f"{len(known)} classes were given; a mask can hold 1 to {IGNORE_INDEX - 1}.")
        picture = read_picture(image)
        small = resized(picture, self.longest_side)[None].to(self._device)
        prototypes = stack_prototypes([c.as_batch() for c in known])
        logits = self.network.match(small, prototypes).logits
        logits = F.interpolate(logits, size=picture.shape[-2:], mode="bilinear", align_corners=True)
        scores = logits.softmax(dim=1)[:, 1]
        best, winner = scores.max(dim=0)
        mask = torch.where(best > 0.5, winner + 1, 0).to(torch.uint8)
        return Segmentation(mask.cpu().numpy(), scores.float().cpu().numpy(), tuple(c.name for c in known))

    def _support(self, image: PictureSource, mask: MaskSource) -> tuple[Tensor, Tensor]:
        """A picture (3, H, W) and its mask (H, W) at working size. DataError if the object is too small to be seen."""
        picture = read_picture(image)
        marked = read_mask(mask, (picture.shape[1], picture.shape[2]))
        small = resized(picture, self.longest_side)
        h, w = small.shape[-2:]
        small_mask = F.interpolate(marked[None, None].float(), size=(h, w), mode="nearest-exact")[0, 0].to(torch.uint8)
        stride = self.network.image.stride
        sides = torch.stack([small_mask == 1, small_mask == 0])
        foreground, background = to_grid(sides, (-(-h // stride), -(-w // stride))).sum(dim=(1, 2)).tolist()
        name = mask if isinstance(mask, (str, Path)) else "the mask"
        if foreground < _LEAST_SEEN:
            raise DataError(
                f"The object in {name} is too small or too thin to be seen at {w} x {h} pixels, where the network has "
                f"one location for {stride} x {stride}; crop the picture around it."
            )
        if background < _LEAST_SEEN:
            raise DataError(f"{name} leaves too little background to compare with; crop less tightly.")
        return small.to(self._device), small_mask.to(self._device)


def resized(picture: Tensor, longest_side: int) -> Tensor:
    """A picture (3, H, W) with its longer side at most ``longest_side`` pixels; smaller ones stay as they are.

    No side becomes shorter than an encoder needs, so a very long or tiny picture is stretched.
    """
    scale = min(1.0, longest_side / max(picture.shape[-2:]))
    size = [max(_SHORTEST_SIDE, round(side * scale)) for side in picture.shape[-2:]]
    if size == list(picture.shape[-2:]):
        return picture
    small = F.interpolate(picture[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    return small[0].round().clamp(0, 255).to(torch.uint8)
