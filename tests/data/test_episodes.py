"""The embedded data and benchmarks behind one function, and how long their tests are."""

from __future__ import annotations

from pathlib import Path

from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import ICON_CATEGORY_SHARE, default_length, open_episodes
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.protocols.benchmark_episodes import BenchmarkEpisodes
from cdpnet.data.protocols.disk import DataOnDisk


def test_length_and_seeds_of_a_test_follow_the_protocol() -> None:
    assert default_length(DataConfig()) == (1000, (0,))
    assert default_length(DataConfig("pascal")) == (1000, (0, 1, 2))
    assert default_length(DataConfig(data="coco", protocol="ssp")) == (4000, (0, 1, 2, 3, 4))
    assert default_length(DataConfig(data="pascal", protocol="hsnet")) == (1000, (0,))
    assert default_length(DataConfig(data="pascal", protocol="pfenet"))[1] == (510, 365, 382, 322, 988)


def test_training_names_some_icons_by_their_category(voc: Path) -> None:
    icons = open_episodes(DataOnDisk(DataConfig()), 0, 1, "train", category_share=None)
    assert isinstance(icons, IconEpisodes)
    assert icons.category_share == ICON_CATEGORY_SHARE
    pascal = open_episodes(DataOnDisk(DataConfig("pascal", str(voc))), 0, 1, "train", category_share=None)
    assert isinstance(pascal, BenchmarkEpisodes)
    assert pascal.category_share == 0
