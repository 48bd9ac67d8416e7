"""Large images are reduced while they are read, whatever their format, and segmented in tiles without seams."""

from __future__ import annotations

import ctypes
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import ExifTags, Image, TiffImagePlugin

from cdpnet.errors import DataError
from cdpnet.io.colours import as_rgb
from cdpnet.io.image_tensors import read_image, read_reduced, resize_image
from cdpnet.io.images import Reduction, open_image
from cdpnet.io.tiff_strips import StripedTiff
from cdpnet.runtime.memory import return_freed_memory

QUARTER = Reduction(above=300, factor=4)


def _smooth(height: int, width: int) -> Image.Image:
    """Colours that change slowly, so that a JPEG of them is nearly exact."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    colours = np.stack([x / width, y / height, (x + y) / (width + height)], axis=2)
    return Image.fromarray((250 * colours).astype(np.uint8))


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    grey = np.array(image)[..., 0]
    match mode:
        case "I;16":
            return Image.fromarray(grey.astype(np.uint16) * 257)
        case "I":
            return Image.fromarray(grey.astype(np.int32) * 257)
        case "F":
            return Image.fromarray(grey / np.float32(255))
        case "RGBA":
            image.putalpha(Image.fromarray(255 - grey))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "CMYK", "I", "I;16", "F"])
@pytest.mark.parametrize("turn", [1, 6])
def test_a_large_image_is_the_mean_of_squares_in_every_mode(
    mode: str, turn: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as the whole image, reduced afterwards, within the rounding of both."""
    monkeypatch.setattr("cdpnet.io.colours._BAND", 20_000)  # so that there are many
    image = _in_mode(_smooth(601, 702), mode)
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "large.tif"
    image.save(path, exif=exif)
    whole = read_image(path)
    found, size = read_reduced(path, QUARTER)
    assert size == tuple(whole.shape[1:]) == ((702, 601) if turn == 6 else (601, 702))
    expected, _ = read_reduced(whole, QUARTER)
    assert found.shape == expected.shape == ((3, 176, 151) if turn == 6 else (3, 151, 176))
    assert (found.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "I;16", "F"])
def test_a_tiff_is_decoded_in_bands(
    mode: str, compression: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the result of the whole image, to the bit."""
    path = tmp_path / "large.tif"
    _in_mode(_smooth(601, 702), mode).save(path, compression=compression, strip_size=2**13)
    monkeypatch.setattr("cdpnet.io.colours._BAND", 20_000)
    whole = np.array(as_rgb(open_image(path), QUARTER.factor, ""))
    decoded = _decoded_heights(monkeypatch)
    found, size = read_reduced(path, QUARTER)
    assert size == (601, 702)
    assert np.array_equal(found.permute(1, 2, 0).numpy(), whole)
    assert max(decoded) < 200


@pytest.mark.parametrize("kind", ["predictor", "other order of bytes"])
def test_what_the_bytes_of_a_strip_mean_is_kept(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdpnet.io.colours._BAND", 20_000)
    image, tags = _smooth(601, 702), {TiffImagePlugin.PREDICTOR: 2}
    if kind == "other order of bytes":
        image, tags = Image.fromarray((np.array(image)[..., 0] * 257.0).astype(">u2")), {}
        assert image.mode == "I;16B"
    image.save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo=tags, strip_size=2**13)
    whole = np.array(as_rgb(open_image(tmp_path / "a.tif"), QUARTER.factor, ""))
    decoded = _decoded_heights(monkeypatch)
    assert np.array_equal(read_reduced(tmp_path / "a.tif", QUARTER)[0].permute(1, 2, 0).numpy(), whole)
    assert max(decoded) < 100


NOT_IN_BANDS: dict[str, dict[int, object]] = {
    "turned": {ExifTags.Base.Orientation: 6},
    "one strip": {TiffImagePlugin.ROWSPERSTRIP: 601},
    "no rows in a strip": {TiffImagePlugin.ROWSPERSTRIP: 0},
    "colours apart": {TiffImagePlugin.PLANAR_CONFIGURATION: 2},
    "strips that share bytes": {TiffImagePlugin.STRIPBYTECOUNTS: (10**7,) * 201},
    "too few strips": {TiffImagePlugin.STRIPOFFSETS: (8,) * 200},
    "one number for all": {TiffImagePlugin.STRIPOFFSETS: 8},
    "JPEG": {TiffImagePlugin.COMPRESSION: 7},
    "colours of video": {TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 6},
}


@pytest.mark.parametrize("changed", NOT_IN_BANDS.values(), ids=NOT_IN_BANDS)
def test_other_tiffs_are_decoded_whole(
    changed: dict[int, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _smooth(601, 702).save(tmp_path / "a.tif", compression="tiff_lzw", strip_size=2**13)
    with Image.open(tmp_path / "a.tif") as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        assert len(image.tag_v2[TiffImagePlugin.STRIPOFFSETS]) == 201
        assert StripedTiff.of(image) is not None
        with monkeypatch.context() as patched:
            patched.setattr("cdpnet.io.tiff_strips._MOST_PIXELS", 702 * 2)  # its strips have three rows
            assert StripedTiff.of(image) is None
        for tag, value in changed.items():
            image.tag_v2[tag] = value
        assert StripedTiff.of(image) is None
    assert StripedTiff.of(_smooth(6, 7)) is None


def test_a_damaged_strip_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    _smooth(601, 702).save(path, compression="tiff_adobe_deflate", strip_size=2**13)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif cannot be decoded"):
        read_reduced(path, QUARTER)


def _decoded_heights(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The heights of the TIFF images that are decoded from now on."""
    heights: list[int] = []
    load = TiffImagePlugin.TiffImageFile.load

    def noted(self: TiffImagePlugin.TiffImageFile) -> object:
        if self.tile:
            heights.append(self.height)
        return load(self)

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", noted)
    return heights


def test_numbers_mean_what_the_largest_of_all_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are converted in parts: those of the first rows alone would be 0 to 1."""
    monkeypatch.setattr("cdpnet.io.colours._BAND", 3000)
    values = np.repeat(np.linspace(0, 255, 700, dtype=np.float32)[:, None], 310, axis=1)
    Image.fromarray(values).save(tmp_path / "a.tif")
    found, _ = read_reduced(tmp_path / "a.tif", QUARTER)
    expected = values[:, 0].round().reshape(-1, 4).mean(axis=1)
    assert found[0, :, 0].tolist() == np.floor(expected + 0.5).tolist()


@pytest.mark.parametrize("mode", ["F", "I", "I;16"])
def test_numbers_are_converted_in_little_memory(mode: str, tmp_path: Path) -> None:
    """In less than the image of 16 or 32 MB has, beside what Pillow holds of it."""
    _in_mode(Image.new("RGB", (2000, 4000), "red"), mode).save(tmp_path / "a.tif")
    tracemalloc.start()
    found, _ = read_reduced(tmp_path / "a.tif", QUARTER)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (3, 1000, 500)
    assert peak < 2 * 2000 * 4000


def test_means_by_hand() -> None:
    """The last squares are cut off at the border; halves are rounded up."""
    image = torch.arange(10, dtype=torch.uint8).repeat(3, 2, 1)
    found, size = read_reduced(image, Reduction(above=4, factor=4))
    assert size == (2, 10)
    assert found[0].tolist() == [[2, 6, 9]]  # of 1.5, 5.5 and 8.5


def test_a_jpeg_is_decoded_at_the_smaller_size(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    image = _smooth(600, 700)
    image.save(path, quality=95)
    found, size = read_reduced(path, QUARTER)
    assert size == (600, 700)
    assert found.shape == (3, 150, 175)
    expected, _ = read_reduced(np.array(image), QUARTER)
    assert (found.int() - expected.int()).abs().float().mean() < 1.5


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_an_image_that_is_not_large_is_read_as_it_is(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"small.{ending}"
    _smooth(200, 300).save(path)
    assert read_reduced(path, QUARTER)[0].equal(read_image(path))


def test_an_image_is_resized_one_colour_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the result of all at once, in a third of the memory: 0.4 GB for 100 megapixels as float32."""
    image = torch.randint(0, 256, (3, 301, 203), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    interpolate, channels = F.interpolate, []

    def note_channels(image: torch.Tensor, **options: object) -> torch.Tensor:
        channels.append(image.shape[1])
        return interpolate(image, **options)  # type: ignore[arg-type]

    together = interpolate(image[None].float(), size=(40, 70), mode="bilinear", align_corners=False, antialias=True)
    monkeypatch.setattr(F, "interpolate", note_channels)
    assert resize_image(image, (40, 70)).equal(together[0].round().to(torch.uint8))
    assert channels == [1, 1, 1]


def test_memory_is_returned_before_a_large_image_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _smooth(60, 70).save(tmp_path / "a.png")
    returned: list[bool] = []
    monkeypatch.setattr("cdpnet.io.images.return_freed_memory", lambda: returned.append(True))
    read_reduced(tmp_path / "a.png", QUARTER)
    assert not returned
    monkeypatch.setattr("cdpnet.io.images.LARGE_PIXELS", 4000)
    read_reduced(tmp_path / "a.png", QUARTER)
    assert returned


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such function")
def test_freed_memory_goes_back_to_the_system() -> None:
    """400 MB in blocks that the C library keeps, since one block behind them is still in use."""
    held = [ctypes.create_string_buffer(100_000) for _ in range(4000)]
    last = held.pop()
    del held
    before = _resident()
    return_freed_memory()
    assert before - _resident() > 200_000
    assert len(last) == 100_000


def _resident() -> int:
    """KiB of this process in memory."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])
