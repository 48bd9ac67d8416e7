"""A project with four images, one of which shows an object in a colour of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.network import PrototypeNetwork
from cdpnet.projects.folder import held
from cdpnet.projects.project import Project
from tests.projects.making import draw_images


@pytest.fixture(scope="session")
def segmenter(tiny: PrototypeNetwork) -> Segmenter:
    return Segmenter(tiny)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    draw_images(tmp_path / "project" / "images")
    with held(tmp_path / "project") as folder:
        yield folder


@pytest.fixture
def project(folder: Path) -> Project:
    return Project(folder)
