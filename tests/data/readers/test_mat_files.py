"""Masks in .mat files, against scipy's writer; damaged files are refused and never end the process."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from cdpnet.data.readers.mat_files import read_field

MASK = np.arange(35, dtype=np.uint8).reshape(5, 7) % 21


def saved(path: Path, mask: np.ndarray, *, compressed: bool = True) -> bytes:
    """A file with the fields that SBD has, beside another variable."""
    cells = np.empty(2, object)
    cells[:] = [np.eye(2), np.eye(3)]
    fields = {"Boundaries": cells, "Segmentation": mask, "CategoriesPresent": np.array([1, 2])}
    savemat(path, {"other": np.eye(3), "GTcls": fields}, do_compression=compressed)
    return path.read_bytes()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_masks_of_every_kind_of_number(dtype: str, compressed: bool, tmp_path: Path) -> None:
    content = saved(tmp_path / "a.mat", MASK.astype(dtype), compressed=compressed)
    found = read_field(content, "GTcls", "Segmentation")
    assert found.dtype == np.int64
    assert np.array_equal(found, MASK)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 9), (9, 1)])
def test_masks_of_few_pixels(shape: tuple[int, int], tmp_path: Path) -> None:
    """Up to four bytes are stored inside of the tag."""
    mask = np.full(shape, 7, np.uint8)
    assert np.array_equal(read_field(saved(tmp_path / "a.mat", mask), "GTcls", "Segmentation"), mask)


def test_a_damaged_file_is_read_or_refused(tmp_path: Path) -> None:
    """A few bytes are changed; scipy's reader ended the process on some of these."""
    originals = [saved(tmp_path / "a.mat", MASK, compressed=compressed) for compressed in (True, False)]
    rng, refused = random.Random(0), 0
    for number in range(2000):
        content = bytearray(originals[number % 2])
        for _ in range(rng.randint(1, 5)):
            content[rng.randrange(128, len(content))] = rng.choice((0, 255, rng.randrange(256)))
        try:
            assert read_field(bytes(content), "GTcls", "Segmentation").ndim == 2
        except (ValueError, LookupError, struct.error, zlib.error, StopIteration):
            refused += 1
    assert 200 < refused < 2000
