"""Which classes of a fold are novel."""

from __future__ import annotations

from cdpnet.data.protocols.folds import novel_classes


def test_folds_of_the_benchmarks() -> None:
    assert novel_classes(20, 1, "consecutive") == (6, 7, 8, 9, 10)
    assert novel_classes(80, 3, "consecutive") == tuple(range(61, 81))
    assert novel_classes(80, 2, "interleaved") == tuple(4 * k + 3 for k in range(20))
    for convention in ("consecutive", "interleaved"):
        every = [number for fold in range(4) for number in novel_classes(11, fold, convention)]
        assert sorted(every) == list(range(1, 12))
