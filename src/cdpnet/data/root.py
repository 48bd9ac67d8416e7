"""The folder of a data set on disk."""

from __future__ import annotations

from pathlib import Path

from cdpnet.data.config import DataConfig
from cdpnet.errors import ConfigError, DataError


def require_root(config: DataConfig) -> Path:
    """The folder. ConfigError where none is given, DataError where it is missing."""
    if not config.root:
        raise ConfigError(f"Where is the data, --data {config.data}? Give its folder as --root.")
    if not Path(config.root).is_dir():
        raise DataError(f"There is no folder {config.root}; give that of the data set as --root.")
    return Path(config.root)
