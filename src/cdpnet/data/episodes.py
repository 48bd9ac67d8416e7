"""One door to all episodes: the embedded ones, or a benchmark on disk under a protocol."""

from __future__ import annotations

from collections.abc import Callable

from cdpnet.config import Names
from cdpnet.data.disk import DataConfig, DataOnDisk, ProtocolName
from cdpnet.data.icons import IconEpisodes
from cdpnet.data.listed import ListedEpisodes
from cdpnet.data.source import EpisodeSource, Split

ICON_CATEGORY_SHARE = 0.2  # of training episodes on icons, whose classes have categories
_SEEDS: dict[ProtocolName, tuple[int, ...]] = {
    "cdpnet": (0, 1, 2),
    "ssp": (0, 1, 2, 3, 4),
    "hsnet": (0,),
    "pfenet": (510, 365, 382, 322, 988),  # BAM's
}


def open_episodes(
    config: DataConfig,
    fold: int,
    shots: int,
    split: Split,
    seed: int = 0,
    *,
    names: Names = "exact",
    category_share: float | None = 0.0,
    report: Callable[[int, int], object] | None = None,
) -> EpisodeSource:
    """The episodes of a configuration.

    category_share: None for the usual one of a training. report: told how far the reading of labels is, pictures done
    and all. ConfigError and DataError where the settings or the data cannot be used.
    """
    data = open_data(config, report)
    return episodes_of(data, fold, shots, split, seed, names=names, category_share=category_share)


def open_data(config: DataConfig, report: Callable[[int, int], object] | None = None) -> DataOnDisk | None:
    """What lies on disk, for several kinds of its episodes; None for the embedded data."""
    return None if config.data == "icons" else DataOnDisk(config, report)


def episodes_of(
    data: DataOnDisk | None,
    fold: int,
    shots: int,
    split: Split,
    seed: int = 0,
    *,
    names: Names = "exact",
    category_share: float | None = 0.0,
) -> EpisodeSource:
    """Episodes of open data, as `open_episodes`."""
    if category_share is None:
        category_share = ICON_CATEGORY_SHARE if data is None else 0.0
    if data is None:
        return IconEpisodes(fold, shots, split, seed, names, category_share)
    return ListedEpisodes(fold, shots, split, seed, names, category_share, data=data)


def published_length(config: DataConfig) -> tuple[int, tuple[int, ...]]:
    """Episodes of a test and its seeds, as a protocol's own code has them; ours for the embedded data and `cdpnet`."""
    if config.data == "icons":
        return 1000, (0,)
    return 4000 if (config.data, config.protocol) == ("coco", "ssp") else 1000, _SEEDS[config.protocol]
