"""Transforms of an image together with its labels, as the protocols prepare them for the network.

Images are (3, H, W) uint8, labels (H, W) int16. Padding is black in the image and `UNLABELLED` in the labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import adjust_brightness, adjust_contrast, adjust_saturation

from cdpnet.io.image_tensors import resize_image
from cdpnet.runtime.constants import SHORTEST_SIDE, UNLABELLED


def resize_with_labels(image: Tensor, labels: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Both at ``size`` (height, width); labels of any dtype, by nearest neighbour."""
    small_labels = F.interpolate(labels[None, None].float(), size=size, mode="nearest")[0, 0].to(labels.dtype)
    return resize_image(image, size), small_labels


def fit_longest_side(image: Tensor, labels: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Scale the longer side down to ``side``, or 0 for any; smaller images stay as they are.

    No side becomes, or stays, shorter than an encoder needs.
    """
    longest = max(image.shape[-2:])
    scale = min(1.0, (side or longest) / longest)
    h, w = (max(SHORTEST_SIDE, round(length * scale)) for length in image.shape[-2:])
    return (image, labels) if (h, w) == tuple(image.shape[-2:]) else resize_with_labels(image, labels, (h, w))


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


def zoom(image: Tensor, labels: Tensor, low: float, high: float, u: float) -> tuple[Tensor, Tensor]:
    """Both at a random scale from ``low`` to ``high``, uniform in its logarithm (our choice). u: uniform in 0..1."""
    scale = low * (high / low) ** u
    h, w = (max(1, round(side * scale)) for side in image.shape[-2:])
    return resize_with_labels(image, labels, (h, w))


def crop_around(image: Tensor, labels: Tensor, side: int, wanted: int, u: Sequence[float]) -> tuple[Tensor, Tensor]:
    """As `crop_at_random`, but the square shows a random pixel of the ``wanted`` class, if there is one (our choice).

    u: four uniform numbers in 0..1, for the pixel, the top, the left and the flip.
    """
    image, labels = pad_to_side(image, labels, side)
    pixels = (labels == wanted).nonzero()
    if not len(pixels):
        return crop_at_random(image, labels, side, u[1:])
    corner = []
    for x, at, length in zip(u[1:3], pixels[int(u[0] * len(pixels))].tolist(), labels.shape, strict=True):
        first, last = max(0, at - side + 1), min(at, length - side)
        corner.append(first + int(x * (last - first + 1)))
    return _crop_at(image, labels, side, corner, flip=u[3] < 0.5)


def change_colours(image: Tensor, strength: float, u: Sequence[float]) -> Tensor:
    """Brightness, contrast and saturation times a factor from 1 - ``strength`` to 1 + ``strength`` (our choice).

    image (3, H, W) uint8; u: three uniform numbers in 0..1.
    """
    brightness, contrast, saturation = (1 + strength * (2 * x - 1) for x in u)
    changed: Tensor = adjust_saturation(adjust_contrast(adjust_brightness(image, brightness), contrast), saturation)
    return changed


def crop_at_random(image: Tensor, labels: Tensor, side: int, u: Sequence[float]) -> tuple[Tensor, Tensor]:
    """A random square of ``side`` pixels, padded first where the image is smaller, flipped in half of the cases (SSP).

    u: three uniform numbers in 0..1, for the top, the left and the flip.
    """
    image, labels = pad_to_side(image, labels, side)
    corner = [int(x * (length - side + 1)) for x, length in zip(u[:2], image.shape[-2:], strict=True)]
    return _crop_at(image, labels, side, corner, flip=u[2] < 0.5)


def _crop_at(image: Tensor, labels: Tensor, side: int, corner: Sequence[int], *, flip: bool) -> tuple[Tensor, Tensor]:
    """The square of ``side`` pixels whose top left is at ``corner``, mirrored or not."""
    top, left = corner
    image, labels = (values[..., top : top + side, left : left + side] for values in (image, labels))
    return (image.flip(-1), labels.flip(-1)) if flip else (image, labels)
