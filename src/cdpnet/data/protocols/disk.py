"""A data set on disk under a protocol: its reader, the classes of its folds, and the images to choose from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cdpnet.data.config import DataConfig, NovelInTrain, Split
from cdpnet.data.protocols.folds import ALL_FOLDS, N_FOLDS, FoldConvention, novel_classes
from cdpnet.data.protocols.index import Index, build_index
from cdpnet.data.protocols.lists import read_lists
from cdpnet.data.protocols.pools import Pool, build_pool
from cdpnet.data.protocols.protocol import Protocol
from cdpnet.data.protocols.registry import open_protocol
from cdpnet.data.readers.fss import FssReader, fss_split
from cdpnet.data.readers.reader import DatasetReader, ImageSet
from cdpnet.data.readers.registry import open_reader
from cdpnet.errors import ConfigError, DataError

_N_CLASSES = {"pascal": 20, "coco": 80}  # of the benchmarks that have list files


@dataclass(frozen=True, eq=False)
class DataOnDisk:
    """A data set on disk, read when it is needed. ConfigError where a setting does not fit the protocol.

    report: called with the number of images indexed so far and the number of all, while images are indexed.
    """

    config: DataConfig
    report: Callable[[int, int], object] | None = None

    def __post_init__(self) -> None:
        _ = self.protocol  # made, and so checked, before any file is looked for

    @cached_property
    def protocol(self) -> Protocol:
        """The rules of the episodes."""
        return open_protocol(self.config)

    @cached_property
    def reader(self) -> DatasetReader:
        """The reader of the format, see `open_reader`."""
        return open_reader(self.config)

    @property
    def fold_convention(self) -> FoldConvention:
        """Which classes of a fold are novel: as the settings have it, or the protocol."""
        return self.protocol.fold_convention if self.config.fold_convention == "auto" else self.config.fold_convention

    @property
    def novel_in_train(self) -> NovelInTrain:
        """Whether training keeps images that show a novel class: as the settings have it, or the protocol."""
        return self.protocol.novel_in_train if self.config.novel_in_train == "auto" else self.config.novel_in_train

    @property
    def unseen_is_zero(self) -> bool:
        """Whether a class of the fold that is never asked for counts as 0: as the settings have it, or the protocol."""
        if self.config.unseen_class == "auto":
            return self.protocol.unseen_is_zero
        return self.config.unseen_class == "zero"

    @property
    def scoring_side(self) -> int | None:
        """Side in pixels of the square in which queries are scored; None for their native size."""
        return None if self.config.evaluation_space == "native" else self.protocol.scoring_side

    @property
    def uses_lists(self) -> bool:
        """Whether images come from list files; the list files of FSS-1000 are of classes."""
        return bool(self.config.splits) and self.config.data != "fss"

    @cached_property
    def shares_images(self) -> bool | None:
        """Whether training and tests have images in common; None where list files decide that."""
        if self.uses_lists:
            return None
        return bool(self._find_images("train") & self._find_images(self.image_set("test")))

    def _find_images(self, image_set: ImageSet) -> set[Path]:
        """The files of an image set; none where the data set lacks it."""
        try:
            identifiers = self.reader.identifiers(image_set)
            return {self.reader.image_path(image_set, identifier) for identifier in identifiers}
        except DataError:
            return set()

    def classes(self, split: Split, fold: int) -> tuple[int, ...]:
        """The classes that a split asks for, numbered from 1. ConfigError for a fold that does not exist."""
        if (split, fold) not in self._classes:
            self._classes[split, fold] = self._choose_classes(split, fold)
        return self._classes[split, fold]

    def _choose_classes(self, split: Split, fold: int) -> tuple[int, ...]:
        if fold == ALL_FOLDS and split != "test":
            return tuple(range(1, len(self.reader.class_names) + 1))
        if not 0 <= fold < self.config.n_folds:
            folds = "fold 0 only" if self.config.n_folds == 1 else f"folds 0 to {self.config.n_folds - 1}"
            raise ConfigError(f"There is no fold {fold}; {self.config.data} has {folds}.")
        if self.config.data == "fss":
            assert isinstance(self.reader, FssReader)
            splits = Path(self.config.splits) if self.config.splits else None
            return fss_split(self.reader.class_folders, splits)[split]
        known = _N_CLASSES.get(self.config.data) if self.config.splits else None  # list files do not need the images
        n_classes = known or len(self.reader.class_names)
        novel = novel_classes(n_classes, fold, self.fold_convention)
        return novel if split == "test" else tuple(n for n in range(1, n_classes + 1) if n not in novel)

    def pool(self, split: Split, fold: int) -> Pool:
        """The images among which the episodes of a split choose."""
        if (split, fold) not in self._pools:
            self._pools[split, fold] = self._make_pool(split, fold)
        return self._pools[split, fold]

    def _make_pool(self, split: Split, fold: int) -> Pool:
        wanted, image_set = self.classes(split, fold), self.image_set(split)
        if self.uses_lists:
            own = split == "test" or (split == "train" and self.config.data == "coco")
            folds = [fold] if own else [other for other in range(N_FOLDS) if other != fold]
            return read_lists(Path(self.config.splits), self.config.data, image_set, folds, wanted)
        drops = split == "train" and self.novel_in_train == "drop"
        excluded = self.classes("test", fold) if drops and fold != ALL_FOLDS else ()
        pool = build_pool(self.index(image_set), wanted, excluded, self.protocol.min_area)
        pool = replace(pool, class_names=tuple(self.reader.class_names))
        if drops and wanted and not pool.query_images:
            raise DataError(
                f"Every training image shows a novel class of fold {fold}, so none is left to train on; take them "
                "with --novel-in-train keep, which makes novel objects background."
            )
        return pool

    def image_set(self, split: Split) -> ImageSet:
        """The image set of a split; tests use that of validation, unless the data set has one for them."""
        return "val" if split == "test" and (self.uses_lists or "test" not in self.reader.image_sets) else split

    def index(self, image_set: ImageSet) -> Index:
        """The index of an image set, read from the cache folder or built."""
        if image_set not in self._indexes:
            self._indexes[image_set] = build_index(
                self.reader, image_set, skip_broken=self.config.skip_broken, report=self.report
            )
        return self._indexes[image_set]

    @property
    def names_sha256(self) -> str:
        """A hash of the names and categories of all classes."""
        return hashlib.sha256(json.dumps([self.reader.class_names, self.reader.categories]).encode()).hexdigest()

    def __getstate__(self) -> object:
        """A loader's worker receives what is already known, without the progress bar."""
        return {**self.__dict__, "report": None}

    @cached_property
    def _classes(self) -> dict[tuple[Split, int], tuple[int, ...]]:
        return {}

    @cached_property
    def _pools(self) -> dict[tuple[Split, int], Pool]:
        return {}

    @cached_property
    def _indexes(self) -> dict[ImageSet, Index]:
        return {}
