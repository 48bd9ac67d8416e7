"""The interface of a protocol: which episodes are drawn, how their images are prepared, how queries are scored.

A protocol is one module with one subclass of `Protocol`, entered in `registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from cdpnet.data.config import DataName, NovelInTrain, ProtocolName, Split
from cdpnet.data.protocols.folds import FoldConvention
from cdpnet.data.protocols.sampling import Sampler
from cdpnet.data.transforms import crop_at_random, fit_longest_side

MIN_AREA = 2 * 32 * 32  # pixels that a class must cover to count in the lists of PFENet, BAM and SSP


class PreparedImage(NamedTuple):
    """An image (3, H, W) uint8 as the network receives it, and its labels (H, W) int16.

    unpadded_size: height and width of its top left part that is not padding; None where nothing is padded.
    """

    image: Tensor
    labels: Tensor
    unpadded_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Protocol(ABC):
    """The rules of one protocol for one data set. A subclass overrides the defaults below where its rules differ.

    area: pixels that a class must cover in an image to count there, 0 for the protocol's own rule. longest_side: in
    pixels, of test images; 0 for no limit. name: on the command line. seeds: of the test runs, one list of episodes
    each. novel_in_train: whether training keeps images that show a novel class. unseen_is_zero: whether a class of
    the fold that no episode asks for counts as 0 in the mean IoU. several_ways: whether a query may be asked for
    several classes. any_area, any_size: whether ``area`` and ``longest_side`` may be chosen. reads_lists: whether
    list files in HSNet's format can replace our own lists. scoring_side: side in pixels of the square in which
    queries are scored, by default their native size. ignores_unlabelled_in_supports: whether unlabelled pixels of a
    test's support are ignored (255 in its mask); otherwise they are background. n_random: uniform numbers that a
    training image takes.
    """

    data: DataName
    area: int = 0
    longest_side: int = 0

    name: ClassVar[ProtocolName]
    seeds: ClassVar[tuple[int, ...]]
    novel_in_train: ClassVar[NovelInTrain] = "keep"
    unseen_is_zero: ClassVar[bool] = False
    several_ways: ClassVar[bool] = False
    any_area: ClassVar[bool] = False
    any_size: ClassVar[bool] = False
    reads_lists: ClassVar[bool] = False
    scoring_side: ClassVar[int | None] = None
    ignores_unlabelled_in_supports: ClassVar[bool] = True
    n_random: ClassVar[int] = 3

    @property
    @abstractmethod
    def description(self) -> str:
        """The sentence that is printed with every result."""

    @abstractmethod
    def sampler(self, split: Split) -> Sampler:
        """The function that draws the images of the episodes of a split."""

    @property
    def test_episodes(self) -> int:
        """Number of episodes of one test run."""
        return 1000

    @property
    def fold_convention(self) -> FoldConvention:
        """Which classes of a fold are novel."""
        return "consecutive" if self.data == "pascal" else "interleaved"

    def min_area(self, height: int, width: int) -> float:  # noqa: ARG002
        """Pixels that a class must cover in an image of this size to count there."""
        return MIN_AREA

    def training_side(self, crop: int) -> int:
        """Side in pixels of training images, where --crop asks for ``crop``."""
        return crop

    def prepare_training(
        self,
        image: Tensor,
        labels: Tensor,
        crop: int,
        wanted: int,  # noqa: ARG002
        u: Sequence[float],
    ) -> PreparedImage:
        """A training image (3, H, W) and its labels (H, W) as a square of `training_side` pixels.

        wanted: the class that the episode asks for. u: `n_random` uniform numbers in 0..1; here for the top, the left
        and the flip.
        """
        return PreparedImage(*crop_at_random(image, labels, crop, u))

    def prepare_test(self, image: Tensor, labels: Tensor) -> PreparedImage:
        """A test image (3, H, W) and its labels (H, W) as the network receives them; by default as `fit_longest_side`.

        Queries are scored on these labels where there is a `scoring_side`, and otherwise on the original ones.
        """
        return PreparedImage(*fit_longest_side(image, labels, self.longest_side))
