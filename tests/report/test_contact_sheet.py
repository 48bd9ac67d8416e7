"""The links between the pages of a contact sheet, and its examples."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cdpnet.inference.class_files import load_class
from cdpnet.report.contact_sheet import _links
from cdpnet.report.images import example_image

BEFORE = Path(__file__).parents[1] / "stored" / "class-before-keys.safetensors"


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


def test_the_example_of_an_earlier_class_file_is_shown_as_it_was_drawn() -> None:
    thumbnail = load_class(BEFORE).thumbnail
    assert thumbnail.shape[2] == 3
    assert (np.array(example_image(thumbnail, 2)) == thumbnail).all()
