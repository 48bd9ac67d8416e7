"""Open the episodes of a data set: the embedded one, or a benchmark on disk under a protocol."""

from __future__ import annotations

from cdpnet.config import Names
from cdpnet.data.config import DataConfig, Split
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.protocols.benchmark_episodes import BenchmarkEpisodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.registry import open_protocol
from cdpnet.data.source import EpisodeSource

ICON_CATEGORY_SHARE = 0.2  # of training episodes on icons, whose classes have categories


def open_episodes(
    data: DataOnDisk,
    fold: int,
    shots: int,
    split: Split,
    seed: int = 0,
    *,
    names: Names = "exact",
    category_share: float | None = 0.0,
) -> EpisodeSource:
    """The episodes of a data set, which may be the embedded one.

    category_share: None for the default of training, `ICON_CATEGORY_SHARE` on icons and 0 elsewhere.
    ConfigError and DataError where the settings or the data cannot be used.
    """
    embedded = data.config.data == "icons"
    if category_share is None:
        category_share = ICON_CATEGORY_SHARE if embedded else 0.0
    if embedded:
        return IconEpisodes(fold, shots, split, seed, names, category_share)
    return BenchmarkEpisodes(fold, shots, split, seed, names, category_share, data=data)


def default_length(config: DataConfig) -> tuple[int, tuple[int, ...]]:
    """Number of episodes of one test run, and the seeds of the runs, as the protocol has them.

    ConfigError where a setting does not fit the protocol.
    """
    if config.data == "icons":
        return 1000, (0,)
    protocol = open_protocol(config)
    return protocol.test_episodes, protocol.seeds
