"""Images in: from a path, a PIL image, an array or a tensor to one kind of tensor."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.io.files import real_path

ImageSource = str | Path | Image.Image | np.ndarray | Tensor
MAX_PIXELS = 100_000_000
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def find_images(folder: Path, *, deep: bool = False, without: Collection[Path] = ()) -> list[Path]:
    """The images of a folder by their endings, sorted; hidden ones are passed over.

    deep: with those of the folders in it, without some of these. DataError for a folder that is missing or
    holds none, and for two images that differ in their ending only, since they would share one mask.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give a folder that holds images.")
    left_out = {real_path(path) for path in without}
    found: dict[Path, Path] = {}
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        folders[:] = [name for name in folders if real_path(here / name) not in left_out]
        for path in sorted(here / name for name in files):
            if path.suffix.lower() not in ENDINGS or path.name.startswith("."):
                continue
            if path.with_suffix("") in found:
                raise DataError(
                    f"{path} and {found[path.with_suffix('')].name} have one stem, so one mask; rename one of them."
                )
            found[path.with_suffix("")] = path
    if not found:
        raise DataError(f"{folder} holds no image; JPEG, PNG, WebP, BMP and TIFF are read.")
    return sorted(found.values())


def read_image(source: ImageSource, most_pixels: int | None = None) -> Tensor:
    """An image as (3, H, W) uint8. EXIF orientation is honoured; grey is repeated; transparency is laid on white.

    Arrays are (H, W), (H, W, 3) or (H, W, 4), tensors (3, H, W); both uint8, or float in 0..1; arrays may be uint16.
    DataError says what a source lacks, and where a file has more than ``most_pixels``, by default MAX_PIXELS,
    before it is decoded.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    image = open_image(source, most_pixels)
    if image.mode.startswith("I"):  # 16 or 32 bits, as microscopes and X-ray machines write
        return _from_array(np.array(image).astype(np.uint16))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (3, H, W) uint8 at ``size`` (height, width), uint8: bilinear and antialiased, as PIL reduces it."""
    scaled = F.interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    return scaled[0].round().clamp(0, 255).to(torch.uint8)


def open_image(source: str | Path | Image.Image, most_pixels: int | None = None) -> Image.Image:
    """A decoded PIL image, turned as its EXIF tag says. DataError where it is missing, broken, empty or too large."""
    most_pixels = most_pixels or MAX_PIXELS
    name = getattr(source, "filename", "") or "the image" if isinstance(source, Image.Image) else str(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = source if isinstance(source, Image.Image) else Image.open(source)
        if image.width * image.height > most_pixels:
            raise DataError(
                f"{name} has {image.width} x {image.height} pixels; at most {most_pixels // 10**6} million are read, "
                "so scale it down first."
            )
        image.load()
        return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise DataError(f"There is no file {name}; give the path of an image.") from None
    except IsADirectoryError:
        raise DataError(f"{name} is a folder; give the path of an image.") from None
    except UnidentifiedImageError:
        raise DataError(f"{name} is not an image that can be read; JPEG, PNG, WebP, TIFF and BMP are.") from None
    except Image.DecompressionBombError:
        raise DataError(
            f"{name} has too many pixels; at most {most_pixels // 10**6} million are read, so scale it down first."
        ) from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name} cannot be decoded ({error}); save it again from its source.") from None


def _from_tensor(source: Tensor) -> Tensor:
    if source.ndim != 3 or source.shape[0] != 3 or 0 in source.shape:
        raise DataError(f"An image tensor has the shape (3, H, W), not {tuple(source.shape)}.")
    if source.dtype == torch.uint8:
        return source
    if not source.is_floating_point():
        raise DataError(f"An image tensor is uint8 or float in 0..1, not {source.dtype}.")
    return (source.clamp(0, 1) * 255).round().to(torch.uint8)


def _from_array(source: np.ndarray) -> Tensor:
    if not (source.ndim == 2 or (source.ndim == 3 and source.shape[2] in (3, 4))) or 0 in source.shape:
        raise DataError(f"An image array has the shape (H, W), (H, W, 3) or (H, W, 4), not {source.shape}.")
    if source.dtype == np.uint16:
        source = source / 65535
    if source.dtype != np.uint8 and not np.issubdtype(source.dtype, np.floating):
        raise DataError(f"An image array is uint8, uint16 or float in 0..1, not {source.dtype}.")
    values = source if source.dtype == np.uint8 else np.round(np.clip(source, 0, 1) * 255).astype(np.uint8)
    return read_image(Image.fromarray(values))
