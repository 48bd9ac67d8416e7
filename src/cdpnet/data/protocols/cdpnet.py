"""Our own protocol: every class equally often, and no novel object in a training image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cdpnet.data.config import Split
from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.protocol import PreparedImage, Protocol
from cdpnet.data.protocols.sampling import (
    EpisodeImages,
    Sampler,
    choose,
    choose_supports,
    classes_with_enough_images,
    shuffle,
    uniform_numbers,
)
from cdpnet.data.transforms import change_colours, crop_around, zoom
from cdpnet.errors import DataError
from cdpnet.runtime.text import form

MIN_SHARE = 0.005  # of the image, that a class must cover to count there
_SCALES = (0.7, 1.4)  # of training images, by which objects are as large as in tests on average
_COLOURS = 0.25
_ORDER_STREAM, _CHOICE_STREAM = 31, 32


class CdpnetProtocol(Protocol):
    """Our choice throughout. Images are scored at their native size, and shown at it unless a limit is chosen."""

    name = "cdpnet"
    seeds = (0, 1, 2)
    novel_in_train = "drop"
    several_ways = True
    any_area = True
    any_size = True
    n_random = 8

    @property
    def description(self) -> str:
        """The sentence that is printed with every result."""
        least = f"{self.area} pixels of it" if self.area else "0.5 % of it"
        limit = f", larger images scaled down to {self.longest_side} pixels" if self.longest_side else ""
        return (
            "cdpnet: classes take turns, queries and distinct supports uniform over the images of a class that show at "
            f"least {least}{limit}"
        )

    def sampler(self, split: Split) -> Sampler:  # noqa: ARG002
        """The same rule for training and tests."""
        return draw_by_class

    def prepare_training(
        self, image: Tensor, labels: Tensor, crop: int, wanted: int, u: Sequence[float]
    ) -> PreparedImage:
        """A crop at a random scale that shows some of the wanted class, with the colours changed."""
        image, labels = crop_around(*zoom(image, labels, *_SCALES, u[0]), crop, wanted, u[1:5])
        return PreparedImage(change_colours(image, _COLOURS, u[5:]), labels)

    def min_area(self, height: int, width: int) -> float:
        """A share of the image, so that the rule does not depend on its resolution, unless an area is chosen."""
        return self.area or MIN_SHARE * height * width


def draw_by_class(pool: Pool, shots: int, ways: int, seed: int, index: int) -> EpisodeImages:
    """One episode: the classes take turns in an order that changes every round; the query is uniform in its class.

    With several ways the first class is that one; the next are other classes that the query shows, then any others,
    both in random order. DataError where fewer than ``ways`` classes have enough images.
    """
    classes = classes_with_enough_images(pool, shots)
    if len(classes) < ways:
        have = form(len(classes), "has", "have")
        raise DataError(
            f"Only {len(classes)} of the {len(pool.classes)} classes asked for {have} the {shots + 1} images that an "
            f"episode takes, and {ways} {form(ways, 'is', 'are')} needed; use fewer shots or ways, or more images."
        )
    order = shuffle(classes, uniform_numbers(seed, index // len(classes), _ORDER_STREAM, len(classes)))
    first = order[index % len(classes)]
    u = uniform_numbers(seed, index, _CHOICE_STREAM, 1 + len(classes) + ways * shots)
    query = choose(pool.eligible_images_of_class[first], u[0])
    others = shuffle([number for number in classes if number != first], u[1 : len(classes)])
    others.sort(key=lambda number: (query, number) not in pool.eligible_pairs)
    chosen = (first, *others[: ways - 1])
    support_u = u[1 + len(classes) :]
    supports = tuple(
        choose_supports(pool, number, query, support_u[way * shots : (way + 1) * shots])
        for way, number in enumerate(chosen)
    )
    return EpisodeImages(query, chosen, supports)
