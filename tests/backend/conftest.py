"""What the tests of the backend share: the network, images with one object each, and a backend that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.network import PrototypeNetwork
from tests.backend.studio import Studio, serve_in_thread
from tests.projects.making import draw_images


@pytest.fixture(scope="session")
def segmenter(tiny: PrototypeNetwork) -> Segmenter:
    return Segmenter(tiny)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    draw_images(tmp_path / "images")
    return tmp_path / "images"


@pytest.fixture
def studio(segmenter: Segmenter, tmp_path: Path, images: Path) -> Iterator[Studio]:
    """A Label Studio whose project is set up with a backend."""
    with serve_in_thread(segmenter, tmp_path / "project", images) as url:
        studio = Studio(url)
        studio.set_up()
        yield studio
