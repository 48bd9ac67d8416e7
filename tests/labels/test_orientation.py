"""Masks of images that an EXIF tag turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from cdpnet.labels.orientation import fit, stored_size, turn
from tests.cli.running import run

MASK = np.zeros((6, 9), np.uint8)
MASK[1:3, 2:7] = MASK[4, 1] = 1


def tagged(path: Path, orientation: int, size: tuple[int, int] = (9, 6)) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_as_pillow_turns_the_image(orientation: int, tmp_path: Path) -> None:
    image = Image.fromarray(MASK)
    image.getexif()[0x0112] = orientation
    expected = np.array(ImageOps.exif_transpose(image))
    assert np.array_equal(turn(MASK, orientation), expected)
    path = tagged(tmp_path / "a.jpg", orientation)
    assert stored_size(path) == MASK.shape
    if orientation > 4:
        assert np.array_equal(fit(MASK, path), expected)
        assert np.array_equal(fit(expected, path), expected)


def test_where_both_fit_the_choice_counts(tmp_path: Path) -> None:
    square, path = MASK[:, :6].copy(), tagged(tmp_path / "a.jpg", 6, (6, 6))
    with pytest.warns(UserWarning, match="--exif raw"):
        assert np.array_equal(fit(square, path), square)
    assert np.array_equal(fit(square, path, "raw"), turn(square, 6))


@pytest.mark.parametrize(("name", "orientation"), [("png", 3), ("yolo", 6)])
def test_converted_labels_are_turned_as_the_choice_says(name: str, orientation: int, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    tagged(images / "a.jpg", orientation)
    if name == "png":
        Image.fromarray(MASK).save(tmp_path / "a.png")
    else:
        (tmp_path / "a.txt").write_text("0 0.5 0.25 1 0.5\n")  # a box, the upper half
    expected = turn(MASK if name == "png" else np.repeat([1, 0], 27).reshape(6, 9).astype(np.uint8), orientation)
    source = next(tmp_path.glob("a.*"))
    command = ("labels", "convert", source, tmp_path / "out", "--images", images, "--from", name, "--exif", "raw")
    assert run(*command).returncode == 0
    with Image.open(tmp_path / "out/masks/a.png") as mask:
        assert np.array_equal(np.array(mask), expected)


def test_a_mask_of_another_size_stays(tmp_path: Path) -> None:
    assert fit(MASK[:5], tagged(tmp_path / "a.jpg", 6)).shape == (5, 9)
