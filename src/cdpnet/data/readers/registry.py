"""The readers of all data sets on disk by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cdpnet.data.config import DataConfig, DataName
from cdpnet.data.readers.coco import open_coco
from cdpnet.data.readers.folder import open_folder
from cdpnet.data.readers.fss import open_fss
from cdpnet.data.readers.reader import DatasetReader
from cdpnet.data.readers.voc import open_voc
from cdpnet.data.root import require_root

READERS: dict[DataName, Callable[[Path], DatasetReader]] = {
    "pascal": open_voc,
    "coco": open_coco,
    "fss": open_fss,
    "folder": open_folder,
}
"""Name of the data set -> the function that opens the folder of its data. Every name but that of the icons."""


def open_reader(config: DataConfig) -> DatasetReader:
    """The reader of a data set on disk. ConfigError without a folder, DataError for one that is laid out otherwise."""
    return READERS[config.data](require_root(config))
