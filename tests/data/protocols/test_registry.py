"""Every protocol has a name, and refuses settings that do not fit it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from cdpnet.data.config import DataConfig, ProtocolName
from cdpnet.data.episodes import open_episodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.registry import PROTOCOLS
from cdpnet.data.source import EpisodeSource
from cdpnet.errors import ConfigError, DataError
from tests.data.protocols.helpers import open_benchmark


def test_every_name_has_a_protocol() -> None:
    assert tuple(PROTOCOLS) == get_args(ProtocolName)
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol("pascal").description.startswith(f"{name}: ")


def test_settings_that_do_not_fit(voc: Path, folder: Path) -> None:
    for settings, says in (
        ({"data": "pascal", "fold": 4}, "no fold 4"),
        ({"data": "pascal", "protocol": "ssp", "ways": 2}, "one class at a time"),
        ({"data": "pascal", "splits": "x"}, "lists of the protocol hsnet"),
        ({"data": "pascal", "evaluation_space": "resized"}, "scores at native size"),
        (
            {"data": "pascal", "protocol": "hsnet", "splits": "x", "novel_in_train": "drop"},
            "say which images are used",
        ),
        ({"data": "pascal", "ways": 0}, "ways must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=says):
            open_benchmark(voc, **settings)
    with pytest.raises(ConfigError, match="Where is the data"):
        open_episodes(DataOnDisk(DataConfig(data="pascal")), 0, 1, "test")
    with pytest.raises(DataError, match="There is no folder"):
        open_episodes(DataOnDisk(DataConfig(data="pascal", root=str(voc / "nowhere"))), 0, 1, "test")
    everything: EpisodeSource = open_benchmark(folder, split="train", data="folder", novel_in_train="drop")
    assert everything.settings().novel_in_train == "drop"
