"""A benchmark on disk: its reader, its folds, and the rules of the protocol that it is used under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Literal

from cdpnet.data.protocols.folds import N_FOLDS, FoldConvention, novel_classes
from cdpnet.data.protocols.index import Index, build_index
from cdpnet.data.protocols.lists import read_lists
from cdpnet.data.protocols.pools import LargeFrom, Pool, pool_of_index
from cdpnet.data.protocols.sampling import Sampler
from cdpnet.data.readers.coco import open_coco
from cdpnet.data.readers.folder import open_folder
from cdpnet.data.readers.fss import FssReader, fss_split, open_fss
from cdpnet.data.readers.reader import DatasetReader, Part
from cdpnet.data.readers.voc import open_voc
from cdpnet.data.source import Split
from cdpnet.errors import ConfigError, DataError

DataName = Literal["icons", "pascal", "coco", "fss", "folder"]
_KNOWN = {"pascal": 20, "coco": 80}  # classes
ProtocolName = Literal["cdpnet", "ssp", "hsnet", "pfenet"]

_OPEN: dict[str, Callable[[Path], DatasetReader]] = {
    "pascal": open_voc,
    "coco": open_coco,
    "fss": open_fss,
    "folder": open_folder,
}
_LARGE_FROM: dict[ProtocolName, LargeFrom] = {"cdpnet": "share", "ssp": "area", "pfenet": "area", "hsnet": "any"}


@dataclass(frozen=True)
class DataConfig:
    """Which episodes, under which rules; `auto` is what the protocol's own code does."""

    data: DataName = "icons"
    """icons is embedded; the others lie on your disk."""
    root: str = ""
    """Folder of the data; the documentation tells how it is laid out."""
    protocol: ProtocolName = "cdpnet"
    """cdpnet is our own; the others reproduce published code. Icons have a protocol of their own."""
    fold_convention: Literal["auto", "interleaved", "consecutive"] = "auto"
    """Of coco and folder: every fourth class is novel, or a quarter in a row."""
    novel_in_train: Literal["auto", "keep", "drop"] = "auto"
    """Training images that show a novel class: keep them, its pixels as background, or drop them."""
    evaluation_space: Literal["auto", "native", "resized"] = "auto"
    """Score at the image's own size, or where hsnet does, at 400 x 400."""
    unseen_class: Literal["auto", "left_out", "zero"] = "auto"
    """A class of the fold that is never drawn: left out of the mean, or, as hsnet has it, counted as 0."""
    splits: str = ""
    """Folder of list files in HSNet's format (with hsnet), or of trn.txt, val.txt, test.txt (fss)."""
    skip_broken: bool = False
    """Go on without the images that cannot be used."""
    crop: int = 473
    """Side in pixels of training's random crops (SSP); hsnet trains on whole images of 400 x 400."""
    ways: int = 1
    """Classes asked for in one query, under our own protocol."""

    def __post_init__(self) -> None:
        if self.data == "icons":
            for setting in fields(self)[1:]:
                if getattr(self, setting.name) != setting.default:
                    raise ConfigError(
                        f"The icons are embedded and have rules of their own; leave --{setting.name} out."
                    )
            return
        if self.ways < 1 or self.crop < 32:
            raise ConfigError(f"ways must be at least 1 and crop at least 32, not {self.ways} and {self.crop}.")
        if self.ways > 1 and self.protocol != "cdpnet":
            raise ConfigError(f"The protocol {self.protocol} asks for one class at a time; leave --ways out.")
        if self.splits and self.protocol != "hsnet" and self.data != "fss":
            raise ConfigError("--splits are lists of the protocol hsnet, or of fss; leave it out.")
        if self.splits and self.data != "fss" and (self.novel_in_train == "drop" or self.skip_broken):
            raise ConfigError(
                "The lists in --splits say which images are used; leave --novel_in_train drop and --skip_broken out."
            )
        if self.evaluation_space == "resized" and self.protocol != "hsnet":
            raise ConfigError(f"The protocol {self.protocol} scores at native size; leave --evaluation_space out.")

    @property
    def n_folds(self) -> int:
        """FSS-1000 has one split; everything else four folds."""
        return 1 if self.data == "fss" else N_FOLDS


@dataclass(frozen=True, eq=False)
class DataOnDisk:
    """A benchmark, read when it is asked for. ``report`` is told how far the indexing of its images is."""

    config: DataConfig
    report: Callable[[int, int], object] | None = None

    @cached_property
    def reader(self) -> DatasetReader:
        """DataError where the folder is not what it should be."""
        root = Path(self.config.root)
        if not self.config.root:
            raise ConfigError(f"Where is the data? Give the folder of {self.config.data} as --root.")
        if not root.is_dir():
            raise DataError(f"There is no folder {root}; give the folder of {self.config.data} as --root.")
        return _OPEN[self.config.data](root)

    @property
    def fold_convention(self) -> FoldConvention:
        """As asked for, or as the protocol's own code has it."""
        if self.config.fold_convention != "auto":
            return self.config.fold_convention
        if self.config.data == "pascal" or (self.config.data == "coco" and self.config.protocol == "ssp"):
            return "consecutive"
        return "interleaved"

    @property
    def novel_in_train(self) -> str:
        """Our own protocol drops images that show a novel class, the others keep them."""
        if self.config.novel_in_train != "auto":
            return self.config.novel_in_train
        return "drop" if self.config.protocol == "cdpnet" else "keep"

    @property
    def unseen_is_zero(self) -> bool:
        """Whether a class of the fold that is never drawn counts as 0."""
        if self.config.unseen_class != "auto":
            return self.config.unseen_class == "zero"
        return self.config.protocol == "hsnet"

    @property
    def resizes(self) -> bool:
        """Whether queries are scored at the size that the network sees."""
        return self.config.protocol == "hsnet" and self.config.evaluation_space != "native"

    def sampler(self, split: Split) -> Sampler:
        """How episodes are chosen."""
        protocol = self.config.protocol
        if protocol == "cdpnet":
            return "stratified"
        if split == "train":
            return "uniform"
        if protocol == "hsnet":
            return "hsnet by class" if self.config.data == "coco" else "hsnet"
        return protocol

    @property
    def uses_lists(self) -> bool:
        """Whether images come from list files; FSS-1000's list files are of classes."""
        return bool(self.config.splits) and self.config.data != "fss"

    @cached_property
    def shares_images(self) -> bool | None:
        """Whether tests show images that training may show, too; None where list files decide that."""
        if self.uses_lists:
            return None
        return bool(self._images("train") & self._images("val"))

    def _images(self, part: Part) -> set[Path]:
        """The files of a part, none where the data has no such part."""
        try:
            return {self.reader.image(part, identifier) for identifier in self.reader.identifiers(part)}
        except DataError:
            return set()

    def classes(self, split: Split, fold: int) -> tuple[int, ...]:
        """The classes that a split asks for, from 1; looked up once. ConfigError for a fold that does not exist."""
        if (split, fold) not in self._classes:
            self._classes[split, fold] = self._choose_classes(split, fold)
        return self._classes[split, fold]

    def _choose_classes(self, split: Split, fold: int) -> tuple[int, ...]:
        if not 0 <= fold < self.config.n_folds:
            raise ConfigError(f"There is no fold {fold}; {self.config.data} has folds 0 to {self.config.n_folds - 1}.")
        if self.config.data == "fss":
            assert isinstance(self.reader, FssReader)
            splits = Path(self.config.splits) if self.config.splits else None
            return fss_split(self.reader.class_folders, splits)[split]
        known = _KNOWN.get(self.config.data) if self.config.splits else None  # lists do not need the images
        n_classes = known or len(self.reader.class_names)
        novel = novel_classes(n_classes, fold, self.fold_convention)
        return novel if split == "test" else tuple(n for n in range(1, n_classes + 1) if n not in novel)

    def pool(self, split: Split, fold: int) -> Pool:
        """What the episodes of a split may show; made once."""
        if (split, fold) not in self._pools:
            self._pools[split, fold] = self._make_pool(split, fold)
        return self._pools[split, fold]

    def _make_pool(self, split: Split, fold: int) -> Pool:
        wanted, part = self.classes(split, fold), part_of(split)
        if self.uses_lists:
            own = split == "test" or (split == "train" and self.config.data == "coco")
            folds = [fold] if own else [other for other in range(N_FOLDS) if other != fold]
            return read_lists(Path(self.config.splits), self.config.data, part, folds, wanted)
        drops = split == "train" and self.novel_in_train == "drop"
        kept_out = self.classes("test", fold) if drops else ()
        pool = pool_of_index(self.index(part), wanted, kept_out, _LARGE_FROM[self.config.protocol])
        if drops and not pool.kept:
            raise DataError(
                f"Every training image shows a novel class of fold {fold}, so none is left to train on; take them "
                "with --novel_in_train keep, which makes novel objects background."
            )
        return pool

    def index(self, part: Part) -> Index:
        """What every image of a part shows; made once and kept in a cache folder."""
        if part not in self._indexes:
            self._indexes[part] = build_index(
                self.reader, part, skip_broken=self.config.skip_broken, report=self.report
            )
        return self._indexes[part]

    def __getstate__(self) -> dict[str, object]:
        """A loader's worker gets what is known, without the progress bar."""
        return {**self.__dict__, "report": None}

    @cached_property
    def _classes(self) -> dict[tuple[Split, int], tuple[int, ...]]:
        return {}

    @cached_property
    def _pools(self) -> dict[tuple[Split, int], Pool]:
        return {}

    @cached_property
    def _indexes(self) -> dict[Part, Index]:
        return {}


def part_of(split: Split) -> Part:
    """Training has images of its own; everything else takes those of validation."""
    return "train" if split == "train" else "val"
