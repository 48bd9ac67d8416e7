"""All samplers are pure functions; every image shows its class; too few images are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdpnet.data.protocols.cdpnet import draw_by_class
from cdpnet.data.protocols.hsnet import draw_published, draw_published_by_class
from cdpnet.data.protocols.pfenet import draw_in_order
from cdpnet.data.protocols.pools import Pool
from cdpnet.data.protocols.sampling import Sampler, draw_episode, draw_uniform
from cdpnet.data.protocols.ssp import draw_published as draw_published_ssp
from cdpnet.errors import DataError
from tests.data.protocols.helpers import make_pool

SAMPLERS: dict[str, Sampler] = {
    "by class": draw_by_class,
    "uniform": draw_uniform,
    "ssp": draw_published_ssp,
    "hsnet": draw_published,
    "hsnet by class": draw_published_by_class,
    "pfenet": draw_in_order,
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_episode_is_a_pure_function_of_seed_and_index(name: str) -> None:
    sampler = SAMPLERS[name]
    episodes = [sampler(make_pool(), 2, 1, 1, i) for i in range(30)]
    backwards = [sampler(make_pool(), 2, 1, 1, i) for i in reversed(range(30))]
    assert episodes == backwards[::-1]
    assert episodes != [sampler(make_pool(), 2, 1, 2, i) for i in range(30)]


@pytest.mark.parametrize("name", SAMPLERS)
def test_images_show_the_class(name: str) -> None:
    source = make_pool()
    for i in range(60):
        query, (number,), (supports,) = SAMPLERS[name](source, 3, 1, 0, i)
        assert query not in supports
        assert {(p, number) for p in (query, *supports)} <= set(source.pairs)
        if not name.startswith("hsnet"):
            assert len(set(supports)) == 3
            assert {(p, number) for p in supports} <= source.eligible_pairs


def test_a_class_with_too_few_images_is_left_out_or_said() -> None:
    lone = Pool((("a", 1), ("b", 2), ("c", 2)), frozenset({("a", 1), ("b", 2), ("c", 2)}), (1, 2))
    assert {draw_by_class(lone, 1, 1, 0, i).classes for i in range(9)} == {(2,)}
    for name in ("ssp", "hsnet", "pfenet"):
        with pytest.raises(DataError, match="Class 1 has 0 images beside the query 'a'"):
            [SAMPLERS[name](lone, 1, 1, 0, i) for i in range(9)]
    named = replace(lone, class_names=("cat", "dog"))
    with pytest.raises(DataError, match="The class 'cat' has 0 images beside the query 'a' with enough of it, and an"):
        [SAMPLERS["ssp"](named, 1, 1, 0, i) for i in range(9)]
    assert {draw_uniform(lone, 1, 1, 0, i).classes for i in range(9)} == {(2,)}
    with pytest.raises(DataError, match="No class has the 3 images"):
        draw_uniform(lone, 2, 1, 0, 0)
    with pytest.raises(DataError, match="Only 0 of the 2 classes"):
        draw_by_class(lone, 2, 1, 0, 0)
    with pytest.raises(DataError, match="Only 1 of the 2 classes asked for has the 2 images"):
        draw_by_class(lone, 1, 2, 0, 0)
    with pytest.raises(DataError, match="No image shows enough"):
        draw_episode(draw_published_ssp, Pool((), frozenset(), (1,)), 1, 1, 0, 0)
    with pytest.raises(DataError, match="The list of ssp is made of seeds from 0 on, not -1"):
        draw_published_ssp(lone, 1, 1, -1, 0)
