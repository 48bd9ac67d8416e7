"""What is said about images before they are segmented."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cdpnet.bulk.segment_files import Output, large_images


@pytest.mark.parametrize(
    ("sides", "sentence"),
    [
        ((10, 20), ""),
        ((21, 20), "1 image of more than 0 megapixels; it takes much longer than others."),
        ((21, 30), "2 images of more than 0 megapixels; they take much longer than others."),
    ],
)
def test_large_images_are_announced(
    sides: tuple[int, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdpnet.bulk.segment_files.LARGE_PIXELS", 400)
    outputs = []
    for side in sides:
        Image.new("L", (side, side)).save(tmp_path / f"{side}.png")
        outputs.append(Output(tmp_path / f"{side}.png", tmp_path / "mask.png", tmp_path / "overlay.png"))
    assert large_images(outputs) == sentence
