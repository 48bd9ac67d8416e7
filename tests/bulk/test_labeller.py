"""Large images are in memory at full size one at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from PIL import Image

from cdpnet.bulk import labeller as module
from cdpnet.bulk.labeller import Labeller
from cdpnet.errors import DataError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.label_set import LabelSet


@pytest.mark.parametrize(("most", "at_once"), [(10, 1), (100, 4)])
def test_large_images_are_read_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, at_once: int
) -> None:
    monkeypatch.setattr(module, "LARGE_PIXELS", most)
    reading, seen = [], []

    def load(path: Path) -> None:
        reading.append(path)
        time.sleep(0.2)  # in which the others begin, if nothing holds them
        seen.append(len(reading))
        reading.remove(path)
        raise DataError("read")

    names = [f"{i}.png" for i in range(4)]
    for name in names:
        Image.new("L", (8, 8)).save(tmp_path / name)
    segmenter = SimpleNamespace(preprocessing=SimpleNamespace(load=load), segment_preprocessed=lambda *_, **__: [])
    labeller = Labeller(cast("Segmenter", segmenter), (), LabelSet(tmp_path, tmp_path / "out", ()), "png")
    with ThreadPoolExecutor(4) as pool:
        records = labeller.label(names, pool)
    assert [record.error for record in records] == ["read"] * 4
    assert max(seen) == at_once
