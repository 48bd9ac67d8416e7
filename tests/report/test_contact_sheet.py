"""The links between the pages of a contact sheet."""

from __future__ import annotations

import re

import pytest

from cdpnet.report.contact_sheet import _links


@pytest.mark.parametrize(
    ("number", "count", "pages"),
    [
        (0, 1, []),
        (1, 3, [1, 2, 3]),
        (0, 40_000, [*range(1, 12), 40_000]),
        (500, 40_000, [1, *range(491, 512), 40_000]),
        (39_999, 40_000, [1, *range(39_990, 40_001)]),
    ],
)
def test_a_page_links_to_the_first_the_last_and_those_nearby(number: int, count: int, pages: list[int]) -> None:
    links = _links(number, count)
    assert [int(page) for page in re.findall(r">(\d+)<", links)] == pages
    assert [int(page) for page in re.findall(r"<b>(\d+)", links)] == [number + 1][: len(pages)]
    assert [int(page) for page in re.findall(r"index-(\d+)\.html", links)] == [
        n for n in pages if n not in (1, number + 1)
    ]
