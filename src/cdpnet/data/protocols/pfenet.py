"""The protocol of PFENet (dvlab-research/PFENet) and BAM (chunbolang/BAM)."""

from __future__ import annotations

from torch import Tensor

from cdpnet.data.config import Split
from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.protocol import PreparedImage, Protocol
from cdpnet.data.protocols.sampling import (
    EpisodeImages,
    Sampler,
    choose,
    choose_supports,
    draw_uniform,
    uniform_numbers,
)
from cdpnet.data.transforms import fit_into_square

_STREAM = 34


class PfenetProtocol(Protocol):
    """Test images are scaled into a padded square and scored at their native size; training takes random crops."""

    name = "pfenet"
    seeds = (510, 365, 382, 322, 988)  # BAM's

    @property
    def description(self) -> str:
        """The sentence that is printed with every result."""
        return f"pfenet: queries in the order of the list, the longer side at {self.side} pixels"

    @property
    def side(self) -> int:
        """Side in pixels of the square into which a test image is scaled."""
        return 641 if self.data == "coco" else 473

    def sampler(self, split: Split) -> Sampler:
        """Queries in the order of the list for validation and tests; SSP's rule for training."""
        return draw_uniform if split == "train" else draw_in_order

    def prepare_test(self, image: Tensor, labels: Tensor) -> PreparedImage:
        """A test image and its labels in the top left corner of a padded square."""
        return PreparedImage(*fit_into_square(image, labels, self.side))


def draw_in_order(pool: Pool, shots: int, ways: int, seed: int, index: int) -> EpisodeImages:  # noqa: ARG001
    """One episode of one class: queries in the order of the list, any class of the query, distinct supports."""
    u = uniform_numbers(seed, index, _STREAM, 1 + shots)
    query = pool.query_images[index % len(pool.query_images)]
    number = choose(pool.classes_of_image[query], u[0])
    return EpisodeImages(query, (number,), (choose_supports(pool, number, query, u[1:]),))
