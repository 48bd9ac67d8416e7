"""Geometric transforms of an image together with its labels, as the protocols prepare them for the network.

Images are (3, H, W) uint8, labels (H, W) int16. Padding is black in the image and `UNLABELLED` in the labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from cdpnet.io.images import resize_image
from cdpnet.runtime.constants import UNLABELLED


def resize_with_labels(image: Tensor, labels: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Both at ``size`` (height, width); labels of any dtype, by nearest neighbour."""
    small_labels = F.interpolate(labels[None, None].float(), size=size, mode="nearest")[0, 0].to(labels.dtype)
    return resize_image(image, size), small_labels


def fit_into_square(image: Tensor, labels: Tensor, side: int) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Scale the longer side to ``side``, floor both sides to multiples of 8, pad to a square of ``side`` (PFENet).

    Returns the image (3, side, side), the labels (side, side), and the height and width before padding.
    """
    h, w = image.shape[-2:]
    scale = side / max(h, w)
    size = (max(8, int(h * scale + 1e-6) // 8 * 8), max(8, int(w * scale + 1e-6) // 8 * 8))
    return (*pad_to_side(*resize_with_labels(image, labels, size), side), size)


def pad_to_side(image: Tensor, labels: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Pad at the bottom and at the right to at least ``side`` pixels each; larger images stay as they are."""
    below, right = (max(0, side - length) for length in image.shape[-2:])
    return F.pad(image, (0, right, 0, below)), F.pad(labels, (0, right, 0, below), value=UNLABELLED)


def crop_at_random(image: Tensor, labels: Tensor, side: int, u: Sequence[float]) -> tuple[Tensor, Tensor]:
    """A random square of ``side`` pixels, padded first where the image is smaller, flipped in half of the cases (SSP).

    u: three uniform numbers in 0..1, for the top, the left and the flip.
    """
    image, labels = pad_to_side(image, labels, side)
    top, left = (int(x * (length - side + 1)) for x, length in zip(u[:2], image.shape[-2:], strict=True))
    image, labels = (values[..., top : top + side, left : left + side] for values in (image, labels))
    return (image.flip(-1), labels.flip(-1)) if u[2] < 0.5 else (image, labels)
