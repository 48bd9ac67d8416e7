"""What is said about large images before a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cdpnet.bulk.forecast import large_images
from tests.hostile.jobs import Job

TWO = "2 images of more than 0 megapixels; they take much longer than others."


def _images(folder: Path, sides: tuple[int, ...]) -> list[Path]:
    paths = [folder / f"{side}.png" for side in sides]
    for side, path in zip(sides, paths, strict=True):
        Image.new("L", (side, side)).save(path)
    return paths


@pytest.mark.parametrize(
    ("sides", "sentence"),
    [
        ((10, 20), ""),
        ((21, 20), "1 image of more than 0 megapixels; it takes much longer than others."),
        ((21, 30), TWO),
    ],
)
def test_large_images_are_announced(
    sides: tuple[int, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdpnet.bulk.forecast.LARGE_PIXELS", 400)
    assert large_images(_images(tmp_path, sides)) == sentence


def test_of_many_images_the_first_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdpnet.bulk.forecast.LARGE_PIXELS", 400)
    monkeypatch.setattr("cdpnet.bulk.forecast._MOST_HEADS", 2)
    sentence = large_images(_images(tmp_path, (21, 20, 30)))
    assert sentence == "1 image of more than 0 megapixels among the first 2; it takes much longer than others."


def test_thousands_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdpnet.bulk.forecast.n_pixels", lambda _: 10**8)
    assert large_images([Path("a.png")] * 1200).startswith("1,200 images of more than 20 megapixels; they take")


def test_images_that_cannot_be_read_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job reports them when it comes to them."""
    monkeypatch.setattr("cdpnet.bulk.forecast.LARGE_PIXELS", 400)
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = [*_images(tmp_path, (21, 30)), tmp_path / "broken.png", tmp_path / "missing.png"]
    assert large_images(images) == TWO


def test_images_that_are_too_large_to_be_read_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdpnet.bulk.forecast.LARGE_PIXELS", 400)
    monkeypatch.setattr("cdpnet.bulk.forecast.MAX_PIXELS", 900)
    assert large_images(_images(tmp_path, (21, 30, 31))) == TWO


def test_a_job_announces_the_large_images_that_it_has_yet_to_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdpnet.bulk.forecast.LARGE_PIXELS", 400)
    job = Job.of(tmp_path)
    count = len(list(job.images.iterdir()))
    job.run()
    assert job.said == [f"{count} images of more than 0 megapixels; they take much longer than others."]
    job.run()
    assert job.said == ["The job is resumed: 0 new, 0 changed, 0 outputs missing."]
