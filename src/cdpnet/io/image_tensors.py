"""Images in: from a path, a PIL image, an array or a tensor to one kind of tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.io.images import WHOLE, Reduction, open_reduced

_STRIP = 128  # rows of a reduced image that are made at a time
ImageSource = str | Path | Image.Image | np.ndarray | Tensor


def read_image(source: ImageSource, most_pixels: int | None = None) -> Tensor:
    """An image as (3, H, W) uint8. EXIF orientation is honoured; grey is repeated; transparency is laid on white.

    A file of floating-point numbers, 0 to 1 or 0 to 255, is read as grey.
    Arrays are (H, W), (H, W, 3) or (H, W, 4), tensors (3, H, W); both uint8, or float in 0..1; arrays may be uint16.
    DataError says what a source lacks, and where a file has more than ``most_pixels``, by default MAX_PIXELS,
    before it is decoded.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    return _from_image(open_reduced(source, WHOLE, most_pixels)[0])


def read_reduced(source: ImageSource, reduction: Reduction) -> tuple[Tensor, tuple[int, int]]:
    """An image as `read_image` gives it, reduced by a whole factor where it is large, and its own size H, W.

    Of a file or a PIL image no more than what Pillow decodes is held at full size. DataError as `read_image`.
    """
    if isinstance(source, (str, Path, Image.Image)):
        image, size = open_reduced(source, reduction)
        return _from_image(image), size
    tensor = read_image(source)
    size = (tensor.shape[1], tensor.shape[2])
    if reduction.factor == 1 or max(size) <= reduction.above:
        return tensor, size
    strips = torch.split(tensor, _STRIP * reduction.factor, dim=1)
    return torch.cat([_mean_of_squares(strip, reduction.factor) for strip in strips], dim=1), size


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (3, H, W) uint8 at ``size`` (height, width), uint8: bilinear and antialiased, as PIL reduces it.

    One colour after the other, since as float32 an image of 100 megapixels is 1.2 GB.
    """
    return torch.cat([_resize_colour(colour, size) for colour in torch.split(image, 1)])


def _resize_colour(colour: Tensor, size: tuple[int, int]) -> Tensor:
    scaled = F.interpolate(colour[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    return scaled[0].round().clamp(0, 255).to(torch.uint8)


def _mean_of_squares(image: Tensor, factor: int) -> Tensor:
    """An image (3, H, W) uint8 reduced as Pillow's `reduce` does it: (3, H / factor, W / factor), rounded up."""
    means = F.avg_pool2d(image.float(), factor, ceil_mode=True)
    return (means + 0.5).to(torch.uint8)


def _from_image(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _from_tensor(source: Tensor) -> Tensor:
    if source.ndim != 3 or source.shape[0] != 3 or 0 in source.shape:
        raise DataError(f"An image tensor has the shape (3, H, W), not {tuple(source.shape)}.")
    if source.dtype == torch.uint8:
        return source
    if not source.is_floating_point():
        raise DataError(f"An image tensor is uint8 or float in 0..1, not {source.dtype}.")
    if not source.isfinite().all():
        raise DataError("An image tensor holds numbers that are not finite; floats are in 0..1.")
    return (source.clamp(0, 1) * 255).round().to(torch.uint8)


def _from_array(source: np.ndarray) -> Tensor:
    if not (source.ndim == 2 or (source.ndim == 3 and source.shape[2] in (3, 4))) or 0 in source.shape:
        raise DataError(f"An image array has the shape (H, W), (H, W, 3) or (H, W, 4), not {source.shape}.")
    if source.dtype == np.uint16:
        source = source / 65535
    if source.dtype != np.uint8 and not np.issubdtype(source.dtype, np.floating):
        raise DataError(f"An image array is uint8, uint16 or float in 0..1, not {source.dtype}.")
    if source.dtype != np.uint8 and not np.isfinite(source).all():
        raise DataError("An image array holds numbers that are not finite; floats are in 0..1.")
    values = source if source.dtype == np.uint8 else np.round(np.clip(source, 0, 1) * 255).astype(np.uint8)
    return read_image(Image.fromarray(values))
