"""Memory of a job with many images: what is finished is on the disk, and outputs are looked at one by one."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdpnet.bulk.journal import Journal
from cdpnet.io.files import remove_leftovers
from cdpnet.io.label_folders import JOURNAL
from tests.bulk.settings import JOB_SETTINGS

COUNTS = [5_000, pytest.param(1_000_000, marks=pytest.mark.slow)]


def names(count: int) -> Iterator[str]:
    return (f"deep/{i:07d}.jpg" for i in range(count))


@pytest.mark.parametrize("count", COUNTS)
def test_a_journal_that_is_read_leaves_memory_as_it_was(count: int, tmp_path: Path) -> None:
    with (tmp_path / JOURNAL).open("w") as file:
        file.write(json.dumps(JOB_SETTINGS.to_json()) + "\n")
        file.writelines(json.dumps([name, 0, 0, [], 0.5, ""]) + "\n" for name in names(count))
    remove_leftovers(tmp_path, ())  # what it compiles stays
    (tmp_path / ".0000003.0a1b2c3d.jpg").touch()
    tracemalloc.start()
    try:
        journal = Journal(tmp_path, JOB_SETTINGS)
        assert all(map(journal.is_done, names(count)))
        assert not journal.is_done("deep/none.jpg")
        assert sum(1 for _ in journal.records(names(count))) == count
        remove_leftovers(tmp_path, (name.removeprefix("deep/") for name in names(count)))
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
    assert not (tmp_path / ".0000003.0a1b2c3d.jpg").exists()
