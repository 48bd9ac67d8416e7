"""Images and masks in, masks out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io import images as images
from cdpnet.io.image_tensors import read_image
from cdpnet.labels.palette import PALETTE, colour_of, write_mask
from cdpnet.labels.png import read_mask
from cdpnet.labels.reading_options import ReadingOptions

EXPECTED = np.zeros((4, 6), dtype=np.uint8)
EXPECTED[1:3, 2:5] = 1


def rgba(mask: np.ndarray, colour: tuple[int, int, int]) -> Image.Image:
    layers = [np.full(mask.shape, c, dtype=np.uint8) for c in colour]
    return Image.fromarray(np.stack([*layers, mask * 255], axis=-1), "RGBA")


def palette(mask: np.ndarray) -> Image.Image:
    image = Image.fromarray(mask).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0] + [7] * 762)
    return image


def inverted(mask: np.ndarray) -> Image.Image:
    """White has index 0 and black 1, as some programs quantise."""
    image = Image.fromarray(1 - mask).convert("P")
    image.putpalette([255] * 3 + [0] * 765)
    return image


FORMS: dict[str, Image.Image] = {
    "one bit": Image.fromarray(EXPECTED * 255).convert("1"),
    "grey 255": Image.fromarray(EXPECTED * 255),
    "grey 200": Image.fromarray(EXPECTED * 200),
    "grey index": Image.fromarray(EXPECTED),
    "palette": palette(EXPECTED),
    "palette, class 9": palette(EXPECTED * 9),
    "transparent": rgba(EXPECTED, (10, 20, 30)),
    "opaque": Image.merge("RGBA", [Image.fromarray(EXPECTED * 255)] * 3 + [Image.new("L", (6, 4), 255)]),
    "colour": Image.merge("RGB", [Image.fromarray(EXPECTED * 255)] * 3),
    "palette, black and white": Image.fromarray(EXPECTED * 255).convert("P"),
    "palette, white first": inverted(EXPECTED),
    "red on black": Image.merge(
        "RGB", [Image.fromarray(EXPECTED * 255), Image.new("L", (6, 4)), Image.new("L", (6, 4))]
    ),
    "sixteen bits": Image.fromarray(EXPECTED.astype(np.uint16) * 65535),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_png_is_one_mask(form: str, tmp_path: Path) -> None:
    FORMS[form].save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png", (4, 6)).numpy(), EXPECTED)


@pytest.mark.parametrize("source", [EXPECTED, EXPECTED.astype(bool), EXPECTED * 255, torch.from_numpy(EXPECTED)])
def test_arrays_and_tensors_are_masks_too(source: Any) -> None:
    assert np.array_equal(read_mask(source).numpy(), EXPECTED)


@pytest.mark.parametrize("make", [Image.fromarray, palette])
def test_255_beside_an_index_is_ignored(make: Any, tmp_path: Path) -> None:
    marked = EXPECTED.copy()
    marked[0] = 255
    make(marked).save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png").numpy(), marked)


def test_unusable_masks_are_refused_in_words() -> None:
    with pytest.raises(DataError, match=r"6 x 4 pixels and its image 5 x 4"):
        read_mask(EXPECTED, (4, 5))
    with pytest.raises(DataError, match="is empty"):
        read_mask(np.zeros((3, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="covers the whole image"):
        read_mask(np.ones((3, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"\(H, W\)"):
        read_mask(np.ones((3, 3, 3), dtype=np.uint8))


def test_masks_written_come_back(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2], [3, 8, 9]], dtype=np.uint8)
    write_mask(tmp_path / "m.png", labels)
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.array(image), labels)
        assert image.convert("RGB").getpixel((1, 0)) == PALETTE[1]
    assert colour_of(9) == colour_of(1)
    assert read_mask(tmp_path / "m.png", options=ReadingOptions(index=8)).numpy().tolist() == [[0, 0, 0], [0, 1, 0]]


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    drawn = Image.new("RGB", (8, 4))
    drawn.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    drawn.save(tmp_path / "p.png", exif=exif)
    image = read_image(tmp_path / "p.png")
    assert image.shape == (3, 8, 4)
    assert image[:, 0, 3].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_every_mode_of_image_is_read(mode: str, tmp_path: Path) -> None:
    name = "p.tif" if mode == "CMYK" else "p.png"
    Image.new(mode, (5, 3)).save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.shape == (3, 3, 5)
    assert image.dtype == torch.uint8


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    deep = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "p.png")
    for source in (tmp_path / "p.png", deep):
        assert read_image(source)[0].tolist() == [[0, 100], [200, 255]]


def test_sources_of_one_image_agree(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "p.png")
    tensor = torch.from_numpy(values).permute(2, 0, 1)
    for source in (tmp_path / "p.png", str(tmp_path / "p.png"), values, values / 255, Image.fromarray(values), tensor):
        assert torch.equal(read_image(source), tensor)
    assert torch.equal(read_image(tensor.float() / 255), tensor)


def test_unusable_images_are_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    for name, what in (
        ("none.png", "no file"),
        ("text.png", "not an image"),
        ("empty.png", "not an image"),
        ("cut.jpg", "cannot be decoded"),
        ("", "is a folder"),
    ):
        with pytest.raises(DataError, match=what):
            read_image(tmp_path / name)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(DataError, match="64 x 64 pixels"):
        read_image(tmp_path / "whole.jpg")
    integers: tuple[Any, ...] = (np.zeros((2, 2), dtype=np.int64), torch.zeros(3, 2, 2, dtype=torch.int32))
    for bad in integers:
        with pytest.raises(DataError, match="or float in"):
            read_image(bad)
    shapes: tuple[Any, ...] = (np.zeros((2, 2, 2)), torch.zeros(1, 2, 2), torch.zeros(3, 0, 2))
    for bad in shapes:
        with pytest.raises(DataError, match="has the shape"):
            read_image(bad)


def test_heic_is_read_where_its_extra_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    monkeypatch.setattr(images, "_installed_formats", lambda: ["PNG"])
    found = images.scan_images(tmp_path)
    assert found.images == [tmp_path / "a.png"]
    assert list(found.unusable) == [tmp_path / "b.heic"]
    with pytest.raises(DataError, match=r"b.heic is a HEIC image; `pip install 'cdpnet\[heic\]'`"):
        images.open_image(tmp_path / "b.heic")
    monkeypatch.undo()
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    Image.new("RGB", (64, 48)).save(tmp_path / "b.heic")
    assert images.scan_images(tmp_path).images == [tmp_path / "a.png", tmp_path / "b.heic"]
    assert images.open_image(tmp_path / "b.heic").size == (64, 48)
