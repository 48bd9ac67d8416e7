"""One door to all episodes: the embedded ones, or a benchmark on disk under a protocol."""

from __future__ import annotations

from cdpnet.config import Names
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.protocols.benchmark_episodes import BenchmarkEpisodes
from cdpnet.data.protocols.disk import DataConfig, DataOnDisk, ProtocolName
from cdpnet.data.source import EpisodeSource, Split

ICON_CATEGORY_SHARE = 0.2  # of training episodes on icons, whose classes have categories
_SEEDS: dict[ProtocolName, tuple[int, ...]] = {
    "cdpnet": (0, 1, 2),
    "ssp": (0, 1, 2, 3, 4),
    "hsnet": (0,),
    "pfenet": (510, 365, 382, 322, 988),  # BAM's
}


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
    """The episodes of a data set, also of the embedded one.

    category_share: None for the usual one of a training. ConfigError and DataError where the settings or the data
    cannot be used.
    """
    embedded = data.config.data == "icons"
    if category_share is None:
        category_share = ICON_CATEGORY_SHARE if embedded else 0.0
    if embedded:
        return IconEpisodes(fold, shots, split, seed, names, category_share)
    return BenchmarkEpisodes(fold, shots, split, seed, names, category_share, data=data)


def default_length(config: DataConfig) -> tuple[int, tuple[int, ...]]:
    """Episodes of a test and its seeds, as a protocol's own code has them; ours for the embedded data and `cdpnet`."""
    if config.data == "icons":
        return 1000, (0,)
    return 4000 if (config.data, config.protocol) == ("coco", "ssp") else 1000, _SEEDS[config.protocol]
