"""The protocol of PFENet and BAM."""

from __future__ import annotations

from cdpnet.data.protocols.pfenet import draw_in_order
from tests.data.protocols.helpers import make_pool


def test_pfenet_goes_through_the_list() -> None:
    source = make_pool()
    queries = [draw_in_order(source, 1, 1, 0, i).query for i in range(len(source.query_images) + 3)]
    assert queries == source.query_images + source.query_images[:3]
