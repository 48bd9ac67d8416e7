"""Images in: from a path, a PIL image, an array or a tensor to one kind of tensor."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from cdpnet.errors import CdpnetError, DataError
from cdpnet.io.files import real_path, regular_file

ImageSource = str | Path | Image.Image | np.ndarray | Tensor
MAX_PIXELS = 100_000_000
_TURNED = (5, 6, 7, 8)  # values of the EXIF tag for an image on its side
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
"""The formats that are read, as Pillow names them; the last two where they are installed. Pillow knows others, and
starts another program for one of them, EPS."""


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
    image, name = open_image(source, most_pixels), _name_of(source)
    if image.mode.startswith("I"):  # 16 or 32 bits, as microscopes and X-ray machines write
        return _from_array(_to_16_bits(np.array(image), name))
    if image.mode == "F" and not np.isfinite(np.array(image)).all():
        raise DataError(f"{name} holds numbers that are not finite; an image has 0 to 255.")
    with _errors_as_sentences(name):
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (3, H, W) uint8 at ``size`` (height, width), uint8: bilinear and antialiased, as PIL reduces it."""
    scaled = F.interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    return scaled[0].round().clamp(0, 255).to(torch.uint8)


def open_image(source: str | Path | bytes | Image.Image, most_pixels: int | None = None, name: str = "") -> Image.Image:
    """A decoded PIL image, turned as its EXIF tag says, from a file, its content, or an image; the only such call.

    Of several frames it is the first. name: what error messages call the image, by default its path. DataError where it
    is missing, broken, empty, too large or not of `FORMATS`; the size is checked before anything is decoded.
    """
    most_pixels, name = most_pixels or MAX_PIXELS, name or _name_of(source)
    with _errors_as_sentences(name):
        if isinstance(source, Image.Image):
            return _decode(source, most_pixels, name)
        with _open(source) as file:
            return _decode(Image.open(file, formats=_installed_formats()), most_pixels, name)


def read_size(path: Path, most_pixels: int | None = None) -> tuple[int, int]:
    """H, W of an image file as `read_image` gives it, from its head alone. DataError as `open_image`."""
    with _errors_as_sentences(str(path)), _open(path) as file:
        image = Image.open(file, formats=_installed_formats())
        _check_size(image, most_pixels or MAX_PIXELS, str(path))
        turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
        return (image.width, image.height) if turned else (image.height, image.width)


def refuse_other_formats() -> None:
    """Let no other library of this process open an image that is not of `FORMATS`, as a web framework would."""
    Image.ID[:] = _installed_formats()


def _installed_formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _open(source: str | Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else regular_file(Path(source), "an image").open("rb")


def _name_of(source: ImageSource | bytes) -> str:
    if isinstance(source, (str, Path)):
        return str(source)
    return getattr(source, "filename", "") or "the image"


def _check_size(image: Image.Image, most_pixels: int, name: str) -> None:
    if image.width * image.height > most_pixels:
        raise DataError(
            f"{name} has {image.width} x {image.height} pixels; at most {most_pixels // 10**6} million are read, "
            "so scale it down first."
        )
    if 0 in image.size:
        raise DataError(f"{name} is empty: it has {image.width} x {image.height} pixels.")


def _decode(image: Image.Image, most_pixels: int, name: str) -> Image.Image:
    _check_size(image, most_pixels, name)
    if image.mode == "LAB":  # which Pillow reads and does not convert
        raise DataError(f"{name} has colours of the space Lab; save it as RGB.")
    image.load()
    return ImageOps.exif_transpose(image)


@contextmanager
def _errors_as_sentences(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a DataError, and keep its warnings from the terminal."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")  # of no other module, since threads share the filters
            yield
    except CdpnetError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{name} is not an image that can be read; JPEG, PNG, WebP, TIFF and BMP are.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{name} has more pixels than any image that is read; scale it down first.") from None
    except Exception as error:  # decoders raise nearly every kind on a damaged file
        reason = str(error) if isinstance(error, (OSError, SyntaxError, ValueError)) else "it is damaged"
        raise DataError(f"{name} cannot be decoded ({reason}); save it again from its source.") from None


def _to_16_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Numbers (H, W) of 16 or 32 bits as uint16. DataError where one does not fit."""
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise DataError(f"{name} holds the numbers {values.min()} to {values.max()}; an image has 0 to 65535.")
    return values.astype(np.uint16)


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
