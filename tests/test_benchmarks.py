"""The benchmarks run, small, and give figures; how fast anything is, no test says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks import gpu, large, photographs, report, rows
from benchmarks.measure import side_by_side


@pytest.mark.parametrize(
    ("part", "count"),
    [
        (lambda: rows.queries(64, 1), 12),
        (lambda: rows.whole_episodes(64, 1), 6),
        (lambda: rows.training_step(64, 1, 1), 1),
        (lambda: rows.labelling(4), 2),
        (lambda: rows.evaluation(2), 1),
        (lambda: photographs.photographs((96, 64), 1, 0), 3),
        pytest.param(lambda: large.large_images((960, 720), 1, 1), 5, marks=pytest.mark.slow),
        (lambda: large.evaluation_at_limit((96, 64), 64, 1, 1), 3),
        (lambda: gpu.episodes_and_step(torch.device("cpu"), 64, 2, 96, 1), 3),
        (lambda: gpu.labelling(torch.device("cpu"), (96, 64), 3), 1),
    ],
)
def test_every_part_gives_figures(part: object, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ONNX graphs are measured in tests/inference/test_onnx_export.py, which exports them anyway."""
    monkeypatch.setattr("benchmarks.setting.ENCODER", "tiny")  # in place of a ResNet-50
    assert callable(part)
    found: Iterator[rows.Measurement] = part()
    figures = list(found)
    assert len(figures) == count
    assert all(math.isfinite(row.value) for row in figures)
    assert len({row.what for row in figures}) == count


def test_work_is_done_in_turns() -> None:
    done: list[str] = []
    seconds = side_by_side({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, rounds=2)
    assert done == ["a", "b"] * 3
    assert set(seconds) == {"a", "b"}


def test_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [rows.Measurement("query, float32, all locations background", 1.754, goal="2.0")._asdict()]
    found += [
        rows.Measurement(f"{part}, {size} px", 1000.0 * size, "ms")._asdict()
        for part in ("encoder", "the rest")
        for size in (64, 128)
    ]
    (tmp_path / "out.json").write_text(
        json.dumps(
            {"commit": "abcdef012", "machine": {"processor": "a CPU", "threads": 2, "torch": "2.14"}, "rows": found}
        )
    )
    page = tmp_path / "explanation" / "performance.md"
    page.parent.mkdir()
    (tmp_path / "pictures").mkdir()
    page.write_text("before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n")
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path / "out.json"), str(tmp_path)])
    report.main()
    text = page.read_text()
    assert "| query, float32, all locations background | 1.75 | x encoder | <= 2.0 |" in text
    assert "| encoder, 128 px | 128,000 | ms |  |" in text
    assert "old" not in text
    assert text.startswith("before\n<!-- table -->\na CPU, 2 threads, torch 2.14, commit abcdef012.\n")
    assert text.endswith("<!-- end of table -->\nafter\n")
    assert Image.open(tmp_path / "pictures" / "performance.png").width > 1000
