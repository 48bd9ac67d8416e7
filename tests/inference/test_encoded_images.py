"""Images that are encoded once give the masks of a segmenter to the bit, and only so many are held."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Images of 96 x 72 pixels, and a larger one."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        size = (300, 400, 3) if number == 2 else (72, 96, 3)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, size, np.uint8)).save(path)
    return paths


def test_masks_are_those_of_the_segmenter(tiny: Segmenter, files: list[Path]) -> None:
    segmenter = Segmenter(tiny.network, longest_side=128, tiles_above=256)  # the largest is worked on in tiles
    mask = np.zeros((72, 96), np.uint8)
    mask[20:50, 30:70] = 1
    classes = [segmenter.learn(name, files[0], mask) for name in ("one", "two")]
    encoded = EncodedImages(segmenter)
    for _ in range(2):
        for file in files:
            for chosen, min_presence in ((classes, None), (classes[:1], 0.0)):
                found = encoded.segment(file, chosen, min_presence=min_presence)
                expected = segmenter.segment(file, chosen, min_presence=min_presence)
                assert found.log_odds.equal(expected.log_odds)
                assert (found.presence, found.absent) == (expected.presence, expected.absent)
                assert (found.mask == expected.mask).all()


def test_an_image_is_encoded_once_until_its_file_changes(
    tiny: Segmenter, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(tiny.network)
    learned = [segmenter.learn_name("thing")]
    encode, seen = segmenter.network.image.features, []

    def count(images: object) -> object:
        seen.append(images)
        return encode(images)  # type: ignore[arg-type]

    monkeypatch.setattr(segmenter.network.image, "features", count)
    encoded = EncodedImages(segmenter)
    for file in (files[0], files[1], files[0], files[1]):
        encoded.segment(file, learned)
    assert len(seen) == 2
    Image.fromarray(np.zeros((60, 60, 3), np.uint8)).save(files[0])
    assert encoded.segment(files[0], learned).size == (60, 60)
    assert len(seen) == 3
    few = EncodedImages(segmenter, most_bytes=1)
    for file in (files[0], files[1], files[0]):
        few.segment(file, learned)
    assert len(seen) == 6
