"""The benchmarks run, small, and give figures; how fast anything is, no test says."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from benchmarks import rows
from benchmarks.measure import side_by_side


@pytest.mark.parametrize(
    ("part", "count"),
    [
        (lambda: rows.queries(64, 1), 12),
        (lambda: rows.whole_episodes(64, 1), 6),
        (lambda: rows.training_step(64, 1, 1), 1),
        (lambda: rows.labelling(4), 2),
        (lambda: rows.evaluation(8), 1),
    ],
)
def test_every_part_gives_figures(part: object, count: int) -> None:
    assert callable(part)
    found: Iterator[rows.Row] = part()
    figures = list(found)
    assert len(figures) == count
    assert all(math.isfinite(row.value) for row in figures)
    assert len({row.what for row in figures}) == count


def test_work_is_done_in_turns() -> None:
    done: list[str] = []
    seconds = side_by_side({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, rounds=2)
    assert done == ["a", "b"] * 3
    assert set(seconds) == {"a", "b"}
