"""Masks in black and white as labels, which have no number of a class but that of white, 255."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.labels.number_masks import read_numbers

MASK = np.zeros((20, 30), np.uint8)
MASK[4:14, 6:20] = 1


def found(mask: Image.Image, names: tuple[str, ...], folder: Path) -> dict[str, int]:
    """The labels that are read, and the pixels of each."""
    Image.new("RGB", mask.size).save(folder / "image.png")
    mask.save(folder / "mask.png")
    labels = read_numbers(folder / "mask.png", names, folder / "image.png")
    return {region.label: labels.area(region) for region in labels.regions}


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("names", [(), ("cat",)])
def test_white_is_the_only_class(mode: str, names: tuple[str, ...], tmp_path: Path) -> None:
    assert found(Image.fromarray(MASK * 255).convert(mode), names, tmp_path) == {names[0] if names else "1": 140}


@pytest.mark.parametrize("white", [255, 65535])
def test_white_in_16_bits(white: int, tmp_path: Path) -> None:
    deep = Image.fromarray(MASK.astype(np.uint16) * white)
    assert found(deep, ("cat",), tmp_path) == {"cat": 140}
    assert found(deep, ("cat", "dog"), tmp_path) == {}


@pytest.mark.parametrize("white", [255, 65535])
def test_masks_that_hold_ignored_pixels_alone_are_told(white: int, tmp_path: Path) -> None:
    """As beside two names, where white is the number of neither."""
    Image.new("RGB", MASK.shape[::-1]).save(tmp_path / "image.png")
    notes = []
    for numbers in (MASK.astype(np.uint16) * white, MASK.astype(np.uint16) * 2, MASK):
        Image.fromarray(numbers).save(tmp_path / "mask.png")
        notes.append(read_numbers(tmp_path / "mask.png", ("cat", "dog"), tmp_path / "image.png").notes)
    (told,) = notes[0]
    assert told.text.startswith("masks hold nothing but 255 or 65535, which is left out as undecided; give")
    assert notes[1:] == [(), ()]


def test_soft_edges_are_cut_halfway(tmp_path: Path) -> None:
    soft = np.kron(MASK, np.full((8, 8), 255, np.uint8))
    soft[32, 48:160], soft[33, 48:160] = 100, 200  # the upper edge
    assert found(Image.fromarray(soft), (), tmp_path) == {"1": 140 * 64 - 112}


@pytest.mark.parametrize(
    ("numbers", "names", "expected"),
    [
        (MASK * 255, ("cat", "dog"), {}),
        (np.where(MASK == 0, 0, np.arange(30) % 2 * 254 + 1), ("cat",), {"cat": 70}),  # 1 and 255
        (MASK * 128, (), {"128": 140}),
        (MASK * 0, (), {}),
    ],
)
def test_other_numbers_stay(
    numbers: np.ndarray, names: tuple[str, ...], expected: dict[str, int], tmp_path: Path
) -> None:
    assert found(Image.fromarray(numbers.astype(np.uint8)), names, tmp_path) == expected


def test_255_of_a_palette_in_colours_is_left_out(tmp_path: Path) -> None:
    mask = Image.fromarray(MASK * 255).copy()
    mask.putpalette([0, 0, 0, *[9, 99, 9] * 255])
    assert found(mask, ("cat",), tmp_path) == {}
