"""Image files: find them in folders and open them, as this module alone does; `image_tensors` makes tensors."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cdpnet.errors import CdpnetError, DataError
from cdpnet.io.colours import as_rgb
from cdpnet.io.exif import exif_of
from cdpnet.io.files import real_path, regular_file
from cdpnet.io.label_folders import label_folders, segment_results
from cdpnet.io.tiff_strips import StripedTiff
from cdpnet.runtime.memory import return_freed_memory
from cdpnet.runtime.notes import note
from cdpnet.runtime.text import listed

MAX_PIXELS = 100_000_000
LARGE_PIXELS = 20_000_000  # images of more are in memory at full size one at a time (our choice)
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
HEIF_ENDINGS = (".heic", ".heif")
TRANSPOSED = (5, 6, 7, 8)  # EXIF orientations of an image whose rows are stored as columns
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
"""The formats that are read, as Pillow names them; the last two where they are installed. Pillow knows others, and
starts another program for one of them, EPS."""


class Reduction(NamedTuple):
    """Images with a longer side above ``above`` pixels are reduced by a whole factor while they are read."""

    above: int
    factor: int

    def factor_of(self, image: Image.Image) -> int:
        """The factor for an image, 1 for one that is not reduced."""
        return self.factor if max(image.size) > self.above else 1


WHOLE = Reduction(above=0, factor=1)


@dataclass(frozen=True)
class FoundImages:
    """The files of a folder: its images, sorted; images that cannot be used, with the reason; and other files."""

    images: list[Path]
    unusable: dict[Path, str]
    others: list[Path]


def find_images(folder: Path, *, deep: bool = False, without: Collection[Path] = ()) -> list[Path]:
    """The images of a folder, as `scan_images` finds them.

    DataError also for an image that cannot be used.
    """
    found = scan_images(folder, deep=deep, without=without)
    for reason in found.unusable.values():
        raise DataError(reason)
    return found.images


def require_folder(folder: Path) -> None:
    """DataError where a folder of images is missing."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give a folder that holds images.")


def scan_images(folder: Path, *, deep: bool = False, without: Collection[Path] = ()) -> FoundImages:
    """The images of a folder by their endings; hidden files are passed over, and labels, which a note says.

    deep: with those of the folders in it. without: files and folders that are left out. An image cannot be used where
    another one differs in its ending only, since they would share one mask, and where its format is not installed.
    DataError for a folder that is missing or holds no image.
    """
    require_folder(folder)
    left_out = {real_path(path) for path in without}
    found: dict[str, Path] = {}  # by their paths without the ending
    unusable: dict[Path, str] = {}
    others, labels = [], list[Path]()
    for path in _walk(folder, deep, left_out, labels):
        ending, stem = path.suffix.lower(), str(path.with_suffix(""))
        if ending not in (*ENDINGS, *HEIF_ENDINGS):
            others.append(path)
        elif stem in found:
            unusable[path] = f"{path} and {found[stem].name} have one stem, so one mask; rename one of them."
        elif ending in HEIF_ENDINGS and "HEIF" not in _installed_formats():
            unusable[path] = _no_heif(str(path))
        else:
            found[stem] = path
    if labels:
        names = [path.relative_to(folder).as_posix() for path in labels]
        note(f"Labels in {folder}, which are not read as images: {listed(names)}.")
    if not found and not unusable:
        raise DataError(f"{folder} holds no image; JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF and HEIC are read.")
    return FoundImages(sorted(found.values()), unusable, others)


def note_others(found: FoundImages, folder: Path) -> None:
    """Say which files of a folder are left out, since they are no images."""
    if found.others:
        names = [path.relative_to(folder).as_posix() for path in found.others]
        note(f"Files of {folder} that are no images by their endings, and are left out: {listed(names)}.")


def _walk(folder: Path, deep: bool, left_out: Collection[Path], labels: list[Path]) -> Iterator[Path]:
    """The files of a folder but hidden ones; ``labels`` gets folders and files of labels, which are passed over."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        folders[:] = [name for name in folders if real_path(here / name) not in left_out]
        passed_over = label_folders(files).intersection(folders)
        folders[:] = [name for name in folders if name not in passed_over]
        passed_over |= segment_results(files)
        labels += [here / name for name in sorted(passed_over)]
        for path in sorted(here / name for name in files if not name.startswith(".") and name not in passed_over):
            if not left_out or real_path(path) not in left_out:
                yield path


def open_image(source: str | Path | bytes | Image.Image, most_pixels: int | None = None, name: str = "") -> Image.Image:
    """A decoded PIL image, turned as its EXIF tag says, from a file, its content, or an image; the only such call.

    Of several frames it is the first. name: what error messages call the image, by default its path. DataError where it
    is missing, broken, empty, too large or not of `FORMATS`; the size is checked before anything is decoded.
    """
    with _opened(source, most_pixels, name or name_of(source)) as image:
        image.load()
        return ImageOps.exif_transpose(image)


def open_reduced(
    source: str | Path | bytes | Image.Image, reduction: Reduction, most_pixels: int | None = None, name: str = ""
) -> tuple[Image.Image, tuple[int, int]]:
    """As `open_image`, in RGB and reduced by a whole factor, and H, W of the image as `open_image` gives it.

    JPEG is decoded at the smaller size, and TIFF in bands where it can be; other formats are decoded whole. They are
    reduced as `as_rgb` does it. DataError also for numbers that are no colours.
    """
    name = name or name_of(source)
    with _opened(source, most_pixels, name) as image:
        (width, height), factor = image.size, reduction.factor_of(image)
        if factor > 1:
            image.draft(None, (width // factor, height // factor))  # of no effect for formats but JPEG
        if width * height > LARGE_PIXELS:
            return_freed_memory()
        if factor > 1 and (striped := StripedTiff.of(image)) is not None:
            return as_rgb(striped, factor, name), (height, width)
        image.load()
        found = as_rgb(image, factor if image.size == (width, height) else 1, name)
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in range(2, 9):
            found.getexif()[ExifTags.Base.Orientation] = orientation  # which only the image as it was opened has
            found = ImageOps.exif_transpose(found)  # and which copies any other
        return found, ((width, height) if orientation in TRANSPOSED else (height, width))


@contextmanager
def _opened(source: str | Path | bytes | Image.Image, most_pixels: int | None, name: str) -> Iterator[Image.Image]:
    """An image whose size and kind are checked, and which need not be decoded. DataError as `open_image`."""
    with errors_as_sentences(name), ExitStack() as files:
        if isinstance(source, Image.Image):
            image = source
        elif not isinstance(source, (str, os.PathLike, bytes)):
            raise DataError(f"An image is a path, a PIL image, an array or a tensor, not {type(source).__name__}.")
        else:
            image = Image.open(files.enter_context(_open(source)), formats=_installed_formats())
        _check_size(image.height, image.width, most_pixels or MAX_PIXELS, name)
        if image.mode == "LAB":  # which Pillow reads and does not convert
            raise DataError(f"{name} has colours of the space Lab; save it as RGB.")
        if image.format == "TIFF" and _has_second_page(image):
            note(f"{name} has several pages; the first is read.")
        yield image


def read_orientation(path: Path) -> tuple[int, tuple[int, int]]:
    """The EXIF orientation of an image file, 1 to 8, and its height and width as it is stored; it is not decoded.

    1 is the orientation of an image that is not turned. DataError for a file that is no image.
    """
    with errors_as_sentences(str(path)), _open(path) as file:
        image = Image.open(file, formats=_installed_formats())
        number = exif_of(image).get(ExifTags.Base.Orientation, 1)
        return (number if number in range(1, 9) else 1), (image.height, image.width)


def read_size(path: Path, most_pixels: int | None = None) -> tuple[int, int]:
    """H, W of an image file as `open_image` gives it, from its head alone. DataError as `open_image`."""
    orientation, (height, width) = read_orientation(path)
    _check_size(height, width, most_pixels or MAX_PIXELS, str(path))
    return (width, height) if orientation in TRANSPOSED else (height, width)


def n_pixels(path: Path) -> int:
    """The number of pixels that an image file states; nothing is decoded. DataError for a file that is no image."""
    with errors_as_sentences(str(path)), _open(path) as file:
        image = Image.open(file, formats=_installed_formats())
        return image.height * image.width


def refuse_other_formats() -> None:
    """Let no other library of this process open an image that is not of `FORMATS`, as a web framework would."""
    Image.ID[:] = _installed_formats()


def _installed_formats() -> list[str]:
    Image.init()
    _install_heif()
    return [name for name in FORMATS if name in Image.OPEN]


def _no_heif(name: str) -> str:
    return f"{name} is a HEIC image; `pip install 'cdpnet[heic]'` installs what reads it."


@cache
def _install_heif() -> None:
    """Let Pillow read HEIC images, where the extra for them is installed."""
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()


def _open(source: str | Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else regular_file(Path(source), "an image").open("rb")


def name_of(source: object) -> str:
    """What error messages call an image: its path, or that of the file that it was opened from."""
    if isinstance(source, (str, Path)):
        return str(source)
    return getattr(source, "filename", "") or "the image"


def _check_size(height: int, width: int, most_pixels: int, name: str) -> None:
    if width * height > most_pixels:
        raise DataError(
            f"{name} has {width} x {height} pixels; at most {most_pixels // 10**6} million are read, "
            "so scale it down first."
        )
    if 0 in (height, width):
        raise DataError(f"{name} is empty: it has {width} x {height} pixels.")


def _has_second_page(image: Image.Image) -> bool:
    try:
        image.seek(1)
    except Exception:  # there is none, or it is damaged
        return False
    finally:
        image.seek(0)
    return True


@contextmanager
def errors_as_sentences(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a DataError, and keep its warnings from the terminal."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")  # of no other module, since threads share the filters
            yield
    except CdpnetError:
        raise
    except UnidentifiedImageError:
        if name.lower().endswith(HEIF_ENDINGS) and "HEIF" not in _installed_formats():
            raise DataError(_no_heif(name)) from None
        kinds = "JPEG, PNG, WebP, AVIF, GIF, TIFF and BMP"
        raise DataError(f"{name} is not an image that can be read; {kinds} are.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{name} has more pixels than any image that is read; scale it down first.") from None
    except Exception as error:  # decoders raise nearly every kind on a damaged file
        if isinstance(error, OSError) and error.errno is not None:  # of the disk
            raise DataError(f"{name} cannot be read ({error.strerror}); mend or remove it.") from None
        is_sentence = isinstance(error, (OSError, SyntaxError, ValueError)) and "_" not in str(error)  # no name of code
        reason = " ".join(str(error).split()) if is_sentence else "it is damaged"
        raise DataError(f"{name} cannot be decoded ({reason}); save it again from its source.") from None
