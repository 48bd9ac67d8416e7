"""Our own protocol: every class equally often, several classes in one query."""

from __future__ import annotations

from collections import Counter

from cdpnet.data.protocols.cdpnet import draw_by_class
from tests.data.protocols.helpers import make_pool


def test_our_own_protocol_draws_every_class_equally() -> None:
    source = make_pool()
    seen = Counter(draw_by_class(source, 1, 1, 0, i).classes[0] for i in range(100))
    assert seen == dict.fromkeys(range(1, 6), 20)


def test_ways_show_what_the_query_shows_first() -> None:
    source = make_pool()
    for i in range(50):
        query, classes, supports = draw_by_class(source, 2, 3, 0, i)
        assert len(set(classes)) == len(supports) == 3
        shown = [(query, number) in source.eligible_pairs for number in classes]
        assert shown == sorted(shown, reverse=True)
        others = [c for c in source.classes_of_image[query] if (query, c) in source.eligible_pairs and c not in classes]
        assert all(shown) or not others
