"""Options of segmenting, beside those of the network, and the segmenter made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdpnet.cli.options import (
    SEGMENTING,
    chosen_keys,
    keys_option,
    load_chosen_network,
    refine_option,
)
from cdpnet.cli.parser import group_of
from cdpnet.values import check_probability

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.config import QueryPrecision
    from cdpnet.inference.segmenter import Segmenter

PROPOSALS = "Without an example the masks are proposals from the name alone; correct one and give it as --support."


def query_options(parser: ArgumentParser) -> None:
    """Add the options of segmenting, beside those of the network."""
    from cdpnet.config import QueryPrecision

    group = group_of(parser, SEGMENTING)
    group.add_argument(
        "--precision",
        type=QueryPrecision,
        default="float32",
        help="number format of large matrix products: float32, bfloat16, or attention for bfloat16 in the match alone; "
        "by default float32",
    )
    group.add_argument(
        "--threshold",
        type=float,
        default=None,
        help="probability that a class must exceed at a pixel, 0 to 1; by default the model's own",
    )
    group.add_argument(
        "--min_presence",
        type=float,
        default=None,
        help="leave out a class that is less probable to be in an image, 0 to 1; by default the model's own threshold",
    )
    refine_option(parser)
    keys_option(parser)


def chosen_thresholds(chosen: Any) -> dict[str, float | None]:
    """The values of `query_options`, as keywords of `Segmenter.segment`; the others are checked."""
    chosen_keys(chosen)
    return {
        "threshold": check_probability("--threshold", chosen.threshold),
        "min_presence": check_probability("--min-presence", chosen.min_presence),
    }


def load_segmenter(
    chosen: Any, tiles_above: int | None = None, precision: QueryPrecision = "float32", refine: bool | None = None
) -> Segmenter:
    """A segmenter over the network of `model_options`."""
    from cdpnet.inference.segmenter import Segmenter

    return Segmenter(load_chosen_network(chosen), tiles_above=tiles_above, precision=precision, refine=refine)
