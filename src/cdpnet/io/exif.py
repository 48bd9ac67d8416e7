"""EXIF tags of image files that are not decoded."""

from __future__ import annotations

import os

from PIL import Image, ImageFile

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # chunks that Pillow reads an orientation from


def exif_of(image: ImageFile.ImageFile) -> Image.Exif:
    """The EXIF tags of an image that is not decoded.

    Pillow decodes a PNG without them, in case they follow its pixels; here only where metadata do.
    """
    if image.format != "PNG" or "exif" in image.info or _has_metadata_behind_pixels(image):
        return image.getexif()
    return Image.Image.getexif(image)


def _has_metadata_behind_pixels(image: ImageFile.ImageFile) -> bool:
    """Whether a chunk of a PNG behind its pixels may hold EXIF tags; the pixels are passed over."""
    file = image.fp
    if file is None:
        return True
    place, is_behind = file.tell(), False
    file.seek(len(_SIGNATURE))
    try:
        while len(head := file.read(8)) == 8:
            if is_behind and head[4:] in _METADATA:
                return True
            is_behind = is_behind or head[4:] == b"IDAT"
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)  # with its checksum
        return False
    finally:
        file.seek(place)
