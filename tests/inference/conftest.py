"""What several tests of inference use and is costly to make: the embedded network, and its exported graphs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cdpnet.cli import main
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.inference.segmenter import Segmenter


@pytest.fixture(scope="session")
def tiny() -> Segmenter:
    """A segmenter over the embedded network."""
    return Segmenter.from_pretrained("tiny", device="cpu")


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `cdpnet export` writes for the embedded network, with the names of four episodes."""
    out = tmp_path_factory.mktemp("export") / "graphs"
    names = dict.fromkeys(IconEpisodes(0, 1, "test").draw(torch.arange(4)).batch.class_names)
    assert main(["export", "--out", str(out), "--names", *names]) == 0
    return out
