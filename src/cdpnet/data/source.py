"""The interface of a data set of episodes, the embedded one or one on disk, for training and evaluation."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from torch import Tensor

from cdpnet.config import NAMES, Names
from cdpnet.data.config import Split
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.episode import EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.runtime.text import encode


class DrawnEpisodes(NamedTuple):
    """A batch of episodes for the network, with the data that only training and scoring may use.

    query_masks (B, H, W): of the size at which the queries are scored, which may differ from that of the images.
    class_ids (B,): counted from 0. unpadded_size: height and width of the top left part of the query images that is
    not padding; None where nothing is padded.
    separate_shots: where the supports of an episode differ in size, the K shots of each row as batches of one shot;
    ``batch`` then holds the supports resized to one size, for display only.
    labels (B, K + 1, H, W): in training, the position of every pixel's class in the batch's vocabulary, supports first;
    the background has the position after the last name, and -1 is unlabelled.
    """

    batch: EpisodeBatch
    query_masks: Tensor
    class_ids: Tensor
    unpadded_size: tuple[int, int] | None = None
    separate_shots: tuple[tuple[EpisodeBatch, ...], ...] = ()
    labels: Tensor | None = None


@dataclass(frozen=True)
class EpisodeRules:
    """Everything about the episodes that is stated with a result measured on them."""

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
    data_sha256: str = ""
    """SHA-256 of all images and labels; empty for the embedded data set and for list files."""
    names_sha256: str = ""
    """SHA-256 of the names and categories of all classes; empty for the embedded data set."""


@dataclass(frozen=True)
class TrainingEpisodes:
    """The training episodes as the record of a checkpoint states them; classes: those whose masks were used."""

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
    """SHA-256 of the list of the first hundred episodes."""
    data_sha256: str = ""
    """SHA-256 of all images and labels; empty for the embedded data set and for list files."""
    longest_side: int = 0
    """Pixels of the longer side that validation images are scaled down to; 0 for no limit."""
    evaluation_space: str = ""
    """Size at which validation queries are scored; empty for the embedded data set."""
    layout: SceneLayout | None = None
    """Layout of the scenes; embedded data set only."""

    def as_far_as(self, recorded: Self) -> Self:
        """These settings without those that ``recorded``, of a version before 0.3, does not tell."""
        if recorded.evaluation_space:
            return self
        return replace(self, data_sha256="", longest_side=0, evaluation_space="")


@dataclass(frozen=True)
class EpisodeSource(ABC):
    """Episodes by number; each is a pure function of (seed, index), and their number is unlimited.

    split: ``train`` asks for base classes, for training; ``val`` for base classes in other images; ``test`` for the
    novel classes of the fold. names: the level at which classes are named, see `Names`. category_share: share of the
    episodes with exact names that are named by the category instead, so that training meets such names too.
    ConfigError for a setting out of its range.
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
        """Names of all classes of the data set, by class id from 0."""

    @property
    @abstractmethod
    def novel_names(self) -> tuple[str, ...]:
        """Names of the novel classes of the fold."""

    @property
    def ways(self) -> int:
        """Number of classes asked for in one query; each has a row of its own in a drawn batch."""
        return 1

    @property
    def stackable(self) -> bool:
        """Whether several episodes fit into one batch because their images have one size."""
        return True

    @property
    def classes_scored(self) -> Tensor | None:
        """The class ids over which the mean IoU is taken, with 0 for one never asked for; None: the ones asked for."""
        return None

    @property
    def data_sha256(self) -> str:
        """A hash of all images and labels, where they are on disk."""
        return ""

    @abstractmethod
    def draw(self, index: Tensor) -> DrawnEpisodes:
        """The episodes of these numbers, (B,) int64, as a batch of B * ways rows."""

    @abstractmethod
    def classes_in_query(self, index: Tensor) -> list[frozenset[int]]:
        """Ids of all classes that have a pixel in the query of each of these episodes, asked for or not."""

    @abstractmethod
    def list_lines(self, count: int) -> Iterable[str]:
        """The first ``count`` episodes, one line each: class from 0, query, supports."""

    @abstractmethod
    def rules(self) -> EpisodeRules:
        """Everything about these episodes that is stated with a result."""

    @abstractmethod
    def settings(self) -> TrainingEpisodes:
        """These episodes as the record of a checkpoint that is trained on them states them."""

    def list_sha256(self, count: int) -> str:
        """SHA-256 of the list of the first ``count`` episodes, lines joined by a newline."""
        return hashlib.sha256(encode("\n".join(self.list_lines(count)))).hexdigest()
