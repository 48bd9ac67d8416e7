"""What training and evaluation ask of a data set of episodes, the embedded one or one on disk."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from cdpnet.config import NAMES, Names
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.episode import EpisodeBatch
from cdpnet.errors import ConfigError

Split = Literal["train", "val", "test"]


class DrawnEpisodes(NamedTuple):
    """A batch for the network, and what only training and scoring may see: query masks (B, H, W), class ids (B,).

    The query masks may have another size than the images: that of the space in which they are scored. shown: height
    and width of the part of the query's image, from its top left corner, that is not padding; None for all of it.
    shots_apart: of every row its shots, each a batch of its own, where supports come in several sizes; ``batch`` then
    holds them brought to one size, to be looked at only. labels (B, K + 1, H, W), supports first, in training: the
    number of every pixel's name in the batch's vocabulary, which the background follows; -1 where that is unknown.
    """

    batch: EpisodeBatch
    query_masks: Tensor
    class_ids: Tensor
    shown: tuple[int, int] | None = None
    separate_shots: tuple[tuple[EpisodeBatch, ...], ...] = ()
    labels: Tensor | None = None


@dataclass(frozen=True)
class EpisodeRules:
    """All that must be said beside a figure about the episodes it was measured on."""

    data: str
    protocol: str
    split: Split
    fold: int
    fold_convention: str
    shots: int
    names: Names
    evaluation_space: str
    unseen_class: str
    ways: int = 1
    edition: str = ""
    list_from: str = ""
    classes_from: str = ""
    images_shared_with_training: bool | None = None
    classes_without_episodes: tuple[str, ...] = ()
    images_broken: int | None = None


@dataclass(frozen=True)
class TrainingEpisodes:
    """What the episodes of a training are, as its checkpoint remembers them; classes: those whose masks it saw."""

    data: str
    fold: int
    shots: int
    seed: int
    names: Names
    category_share: float
    novel_in_train: str
    classes: tuple[str, ...]
    fold_convention: str = ""
    protocol: str = ""
    crop: int = 0
    images: str = ""
    """SHA-256 of the first hundred episodes."""
    layout: SceneLayout | None = None
    """Of embedded scenes."""


@dataclass(frozen=True)
class EpisodeSource(ABC):
    """Episodes by number; each is a pure function of (seed, index), and there is no last one.

    split ``train``: base classes, for training. ``val``: base classes in other images. ``test``: the fold's novel
    classes. names: what a class is called, see `Names`. category_share: of the exactly named episodes, the share that
    is named by the category instead, so that training meets such names too.
    """

    fold: int
    shots: int
    split: Split
    seed: int = 0
    names: Names = "exact"
    category_share: float = 0.0

    def __post_init__(self) -> None:
        if self.shots < 1:
            raise ConfigError(f"An episode needs at least one shot, not {self.shots}.")
        if self.names not in NAMES:
            raise ConfigError(f"Names are given at the levels {', '.join(NAMES)}, not {self.names!r}.")
        if not 0 <= self.category_share <= 1:
            raise ConfigError(f"category_share is a share from 0 to 1, not {self.category_share}.")

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes of the data set, by class id, from 0."""

    @property
    @abstractmethod
    def novel_names(self) -> tuple[str, ...]:
        """Names of the classes that tests of this fold ask for."""

    @property
    def ways(self) -> int:
        """Classes that are asked for in one query; each has a row of its own in what `draw` gives."""
        return 1

    @property
    def stackable(self) -> bool:
        """Whether several episodes fit into one batch: their images have one size."""
        return True

    @property
    def classes_scored(self) -> Tensor | None:
        """The class ids over which a mean is taken, a class never drawn as 0; None for those that were drawn."""
        return None

    @abstractmethod
    def draw(self, index: Tensor) -> DrawnEpisodes:
        """The episodes of these numbers, (B,) int64, with B * ways rows."""

    @abstractmethod
    def classes_in_query(self, index: Tensor) -> list[frozenset[int]]:
        """Ids of all classes that have a pixel in the query of each of these episodes, asked for or not."""

    @abstractmethod
    def list_lines(self, count: int) -> Iterable[str]:
        """The first episodes, one line each: class from 0, query, supports."""

    @abstractmethod
    def rules(self) -> EpisodeRules:
        """All that must be said beside a figure but the network, the code and the machine."""

    @abstractmethod
    def settings(self) -> TrainingEpisodes:
        """What makes a training on these episodes what it is."""

    def list_sha256(self, count: int) -> str:
        """A hash of the first episodes, lines joined by a newline."""
        return hashlib.sha256("\n".join(self.list_lines(count)).encode()).hexdigest()
