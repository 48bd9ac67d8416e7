"""Data sets on disk that are read only, made once, and a cache of their indexes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.trees import make_folder, make_voc


@pytest.fixture(scope="package", autouse=True)
def index_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDPNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VOC's tree, large enough for five shots of some classes; objects cover up to 4,900 pixels."""
    root = tmp_path_factory.mktemp("voc")
    make_voc(root, palette=True, train=150, val=180)
    return root


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data of one's own with five classes."""
    root = tmp_path_factory.mktemp("folder")
    make_folder(root)
    return root
