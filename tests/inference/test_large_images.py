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
from PIL import Image

from cdpnet.io.image_tensors import read_image, read_reduced, resize_image
from cdpnet.io.images import Reduction
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
