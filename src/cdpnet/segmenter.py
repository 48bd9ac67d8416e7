"""`Segmenter`: learn a class from a few marked pictures, then find it in others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.encoders import PAIRS, Pair
from cdpnet.episode import Prototypes
from cdpnet.errors import DataError
from cdpnet.labels.png import MaskSource, read_mask
from cdpnet.network import PrototypeNetwork
from cdpnet.pictures import PictureSource, read_picture


@dataclass(frozen=True)
class ClassPrototype:
    """A class as the network knows it: name, and background, foreground and text prototypes, (C,) each."""

    name: str
    background: Tensor
    foreground: Tensor
    text: Tensor | None


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
    def learn(self, name: str, images: Sequence[PictureSource], masks: Sequence[MaskSource]) -> ClassPrototype:
        """Learn a class from K pictures and their masks; an empty name means pictures alone.

        DataError for a picture or mask that cannot be used. Pictures may differ in size: each gives prototypes of its
        own, and since the method averages over shots, their mean is what one batch of equal sizes would give.
        """
        if len(images) != len(masks) or not images:
            raise DataError(f"{len(images)} pictures and {len(masks)} masks were given; each picture needs its mask.")
        pairs = [self._support(image, mask) for image, mask in zip(images, masks, strict=True)]
        shots = [self.network.learn(image[None, None], mask[None, None], (name,)) for image, mask in pairs]
        text = shots[0].text
        return ClassPrototype(
            name,
            torch.stack([shot.background[0] for shot in shots]).mean(dim=0),
            torch.stack([shot.foreground[0] for shot in shots]).mean(dim=0),
            None if text is None else text[0],
        )

    @torch.inference_mode()
    def segment(self, image: PictureSource, classes: ClassPrototype | Sequence[ClassPrototype]) -> Segmentation:
        """Find one class or several in a picture; a pixel goes to its most probable class, if that beats a half."""
        known = [classes] if isinstance(classes, ClassPrototype) else list(classes)
        if not known:
            raise DataError("No class was given; learn at least one first.")
        picture = read_picture(image)
        small = resized(picture, self.longest_side)[None].to(self._device)
        texts = [c.text for c in known if c.text is not None]
        prototypes = Prototypes(
            torch.stack([c.background for c in known]),
            torch.stack([c.foreground for c in known]),
            torch.stack(texts) if len(texts) == len(known) else None,
        )
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
        size = small.shape[-2:]
        small_mask = F.interpolate(marked[None, None].float(), size=size, mode="nearest-exact")[0, 0].to(torch.uint8)
        if (small_mask == 1).sum() < self.network.image.stride**2:
            raise DataError(
                f"The object in {mask if isinstance(mask, str) else 'the mask'} is too small: at {size[1]} x {size[0]} "
                f"pixels it must cover at least {self.network.image.stride}x{self.network.image.stride}; "
                "crop the picture around it."
            )
        return small.to(self._device), small_mask.to(self._device)


def resized(picture: Tensor, longest_side: int) -> Tensor:
    """A picture (3, H, W) with its longer side at most ``longest_side`` pixels; smaller ones stay as they are."""
    scale = longest_side / max(picture.shape[-2:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[-2:]]
    small = F.interpolate(picture[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    return small[0].round().clamp(0, 255).to(torch.uint8)
