"""The protocol of HSNet (juhongm999/hsnet)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
from torch import Tensor

from cdpnet.data.config import Split
from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.protocol import PreparedImage, Protocol
from cdpnet.data.protocols.sampling import EpisodeImages, Sampler, check_supports, draw_uniform, list_sampler
from cdpnet.data.transforms import resize_with_labels

SIDE = 400  # pixels, of every image


class HsnetProtocol(Protocol):
    """Whole images at 400 x 400, without random crops; unlabelled pixels of a test's support are background."""

    name = "hsnet"
    seeds = (0,)
    unseen_is_zero = True
    reads_lists = True
    scoring_side = SIDE
    ignores_unlabelled_in_supports = False

    @property
    def description(self) -> str:
        """The sentence that is printed with every result."""
        return f"hsnet: HSNet's list, images at {SIDE} x {SIDE}"

    def sampler(self, split: Split) -> Sampler:
        """The published list for validation and tests, which has another rule on COCO; SSP's rule for training."""
        if split == "train":
            return draw_uniform
        return draw_published_by_class if self.data == "coco" else draw_published

    def min_area(self, height: int, width: int) -> float:  # noqa: ARG002
        """HSNet has no such rule: any pixel counts."""
        return 1

    def training_side(self, crop: int) -> int:  # noqa: ARG002
        """Training takes whole images."""
        return SIDE

    def prepare_training(
        self,
        image: Tensor,
        labels: Tensor,
        crop: int,  # noqa: ARG002
        wanted: int,  # noqa: ARG002
        u: Sequence[float],  # noqa: ARG002
    ) -> PreparedImage:
        """A training image and its labels at 400 x 400."""
        return self.prepare_test(image, labels)

    def prepare_test(self, image: Tensor, labels: Tensor) -> PreparedImage:
        """A test image and its labels at 400 x 400."""
        return PreparedImage(*resize_with_labels(image, labels, (SIDE, SIDE)))


def list_episodes(pool: Pool, shots: int, seed: int) -> Iterator[EpisodeImages]:
    """HSNet's list on PASCAL, without end: item i takes line i of the list of pairs, which starts again at its end."""
    generator = np.random.RandomState(seed)
    for index in count():
        query, number = pool.pairs[index % len(pool.pairs)]
        yield _add_supports(generator, pool, shots, query, number)


def list_episodes_by_class(pool: Pool, shots: int, seed: int) -> Iterator[EpisodeImages]:
    """HSNet's list on COCO, without end: the class is drawn first, then the query among its images."""
    generator = np.random.RandomState(seed)
    while True:
        number = int(generator.choice(pool.classes, 1, replace=False)[0])
        check_supports(pool, number, "", 0)
        query = str(generator.choice(pool.images_of_class[number], 1, replace=False)[0])
        yield _add_supports(generator, pool, shots, query, number)


draw_published = list_sampler(HsnetProtocol.name, list_episodes)
draw_published_by_class = list_sampler(HsnetProtocol.name, list_episodes_by_class)


def _add_supports(generator: np.random.RandomState, pool: Pool, shots: int, query: str, number: int) -> EpisodeImages:
    """The episode of a query and a class. A support is drawn again only while it is the query, so one may come twice.

    The call of ``choice`` is the published one: without replacement it permutes the whole list.
    """
    check_supports(pool, number, query, 1)
    supports: list[str] = []
    while len(supports) < shots:
        support = str(generator.choice(pool.images_of_class[number], 1, replace=False)[0])
        if support != query:
            supports.append(support)
    return EpisodeImages(query, (number,), (tuple(supports),))
