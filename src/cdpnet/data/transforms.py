"""Image and labels together: what the protocols do to them before the network sees them.

Images (3, H, W) uint8, labels (H, W) int16; padding is black and unlabelled.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from cdpnet.runtime.constants import UNLABELLED


def resized(image: Tensor, labels: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Both at ``size`` (H, W): the image bilinear and smoothed as PIL does it, the labels (any dtype) nearest."""
    scaled = F.interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    small = scaled[0].round().clamp(0, 255).to(image.dtype)
    return small, F.interpolate(labels[None, None].float(), size=size, mode="nearest")[0, 0].to(labels.dtype)


def fitted(image: Tensor, labels: Tensor, side: int) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """PFENet's frame: the longer side to ``side``, both floored to multiples of 8, padded to a square of ``side``.

    Gives the image (3, side, side), the labels (side, side), and the height and width that are not padding.
    """
    h, w = image.shape[-2:]
    scale = side / max(h, w)
    size = (max(8, int(h * scale + 1e-6) // 8 * 8), max(8, int(w * scale + 1e-6) // 8 * 8))
    image, labels = resized(image, labels, size)
    return (*padded(image, labels, side), size)


def padded(image: Tensor, labels: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """At least ``side`` pixels wide and high, padded at the right and at the bottom."""
    below, right = (max(0, side - length) for length in image.shape[-2:])
    return F.pad(image, (0, right, 0, below)), F.pad(labels, (0, right, 0, below), value=UNLABELLED)


def cropped(image: Tensor, labels: Tensor, side: int, u: Sequence[float]) -> tuple[Tensor, Tensor]:
    """A random square of ``side`` pixels, flipped or not, chosen by three numbers in 0..1; padded first (SSP)."""
    image, labels = padded(image, labels, side)
    top, left = (int(x * (length - side + 1)) for x, length in zip(u[:2], image.shape[-2:], strict=True))
    image, labels = (part[..., top : top + side, left : left + side] for part in (image, labels))
    return (image.flip(-1), labels.flip(-1)) if u[2] < 0.5 else (image, labels)
