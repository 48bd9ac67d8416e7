"""The size and orientation of an image file are read from its head, as the decoded image has them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from zlib import crc32

import pytest
from PIL import Image, ImageFile

from cdpnet.errors import DataError
from cdpnet.io.images import errors_as_sentences, open_image, read_orientation, read_size

TURNED = 6


def _png(*, exif: bool, path: Path) -> Path:
    tags = Image.Exif()
    if exif:
        tags[0x0112] = TURNED
    Image.new("RGB", (7, 5), (1, 2, 3)).save(path, exif=tags)
    return path


def _behind_pixels(path: Path) -> Path:
    """Move the EXIF chunk of a PNG from before its pixels to its end, as some programs write it."""
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    chunk, rest = content[start:end], content[:start] + content[end:]
    path.write_bytes(rest[:-12] + chunk + rest[-12:])
    return path


def _xmp_behind_pixels(path: Path) -> Path:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + xmp
    chunk = (len(data) - 4).to_bytes(4, "big") + data + crc32(data).to_bytes(4, "big")
    content = path.read_bytes()
    path.write_bytes(content[:-12] + chunk + content[-12:])
    return path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats of the images that are decoded."""
    formats: list[str] = []
    load = ImageFile.ImageFile.load

    def load_and_note(image: ImageFile.ImageFile) -> object:
        formats.append(str(image.format))
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", load_and_note)
    return formats


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp", "gif"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_size_is_read_without_decoding(ending: str, mode: str, tmp_path: Path, decoded: list[str]) -> None:
    path = tmp_path / f"a.{ending}"
    Image.new(mode, (7, 5)).save(path)
    assert read_orientation(path) == (1, (5, 7))
    assert decoded == []


def test_exif_tags_before_the_pixels_of_a_png(tmp_path: Path, decoded: list[str]) -> None:
    path = _png(exif=True, path=tmp_path / "a.png")
    assert read_orientation(path) == (TURNED, (5, 7))
    assert decoded == []


def test_an_orientation_behind_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    """Otherwise the size would not be that of the decoded image."""
    exif = _behind_pixels(_png(exif=True, path=tmp_path / "exif.png"))
    xmp = _xmp_behind_pixels(_png(exif=False, path=tmp_path / "xmp.png"))
    for path in (exif, xmp):
        assert open_image(path).size == (5, 7), path
        assert read_size(path) == (7, 5), path


def test_a_png_that_breaks_off_has_the_size_of_its_head(tmp_path: Path) -> None:
    content = BytesIO()
    Image.effect_noise((64, 48), 80).save(content, "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(content.getvalue()[:500])
    assert read_size(path) == (48, 64)


def test_the_reason_of_a_decoder_is_one_line() -> None:
    """As that of a HEIC file that is damaged, which ends with a line break."""
    sentence = r"a\.heic cannot be decoded \(Bad box: item 4\); save it"
    with pytest.raises(DataError, match=sentence), errors_as_sentences("a.heic"):
        raise ValueError("Bad box:\n item 4\n")
