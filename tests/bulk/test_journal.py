"""The journal of a job: complete lines only, the last record of an image counts, settings must not change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cdpnet.bulk.journal import JobSettings, Journal, JournalRecord
from cdpnet.errors import ConfigError, DataError
from cdpnet.io.disk_table import DiskTable
from cdpnet.io.label_folders import JOURNAL
from cdpnet.labels.regions import ImageLabels, Region
from tests.bulk.settings import JOB_SETTINGS


def record(name: str, error: str = "") -> JournalRecord:
    return JournalRecord(ImageLabels(name, 4, 5, (Region("Ölkanne", "5220003", 0.5),)), 0.25, error)


def test_records_are_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, JOB_SETTINGS)
    journal.add([record("b"), record("a")])
    again = Journal(tmp_path, JOB_SETTINGS)
    assert again.is_done("a")
    assert not again.is_done("c")
    assert list(again.records(["a", "b", "c"])) == [record("a"), record("b")]


def test_an_incomplete_line_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path, JOB_SETTINGS)
    journal.add([record("a"), record("b")])
    content = (tmp_path / JOURNAL).read_bytes()
    for length in range(len(content) - 1, content.index(b"\n") + 1, -7):
        (tmp_path / JOURNAL).write_bytes(content[:length])
        again = Journal(tmp_path, JOB_SETTINGS)
        done = [name for name in "ab" if again.is_done(name)]
        assert done in ([], ["a"])
        again.add([record(name) for name in "ab" if name not in done])
        assert list(again.records("ab")) == [record("a"), record("b")]


def test_a_failed_image_is_tried_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, JOB_SETTINGS)
    journal.add([record("a", "cannot be decoded")])
    assert not journal.is_done("a")
    assert journal.failed(["a", "b"]) == {"a": "cannot be decoded"}
    assert list(journal.records("a")) == []
    journal.add([record("a")])
    assert journal.is_done("a")
    assert journal.failed(["a"]) == {}


def test_lines_are_sorted_in_the_order_of_the_images(tmp_path: Path) -> None:
    contents = []
    for order in ("abc", "cab"):
        out = tmp_path / order
        journal = Journal(out, JOB_SETTINGS)
        journal.add([record("b", "broken")])
        journal.add([record(name) for name in order])
        journal.sort("abc")
        assert list(journal.records("cb")) == [record("c"), record("b")]
        journal.add([record("d")])
        assert list(journal.records("d")) == [record("d")]
        journal.sort("abcd")
        contents.append((out / JOURNAL).read_bytes())
    assert contents[0] == contents[1]


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    Journal(tmp_path, JOB_SETTINGS)
    with pytest.raises(ConfigError, match="format was png and is coco"):
        Journal(tmp_path, replace(JOB_SETTINGS, label_format="coco"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (replace(JOB_SETTINGS, threshold=0.3), "threshold was the default and is 0.3;"),
        (replace(JOB_SETTINGS, refine=True), "refine was off and is on;"),
        (
            replace(JOB_SETTINGS, instances=(20, True)),
            "instances was the default and is --instances --min-area 20 --fill-holes;",
        ),
        (
            replace(JOB_SETTINGS, classes=(("crack", "abd"), ("dent", "1"))),
            "was crack, abc and is crack, abd, dent",
        ),
    ],
)
def test_settings_are_told_in_words(changed: JobSettings, said: str, tmp_path: Path) -> None:
    Journal(tmp_path, JOB_SETTINGS)
    with pytest.raises(ConfigError, match=said):
        Journal(tmp_path, changed)


def test_how_a_job_of_an_earlier_version_with_objects_goes_on_is_told(tmp_path: Path) -> None:
    """Its smallest object had one pixel by default."""
    before = replace(JOB_SETTINGS, instances=(1, False))
    Journal(tmp_path, before)
    said = "instances was --instances --min-area 1 and is --instances; give the same, another --out, or --overwrite"
    with pytest.raises(ConfigError, match=said):
        Journal(tmp_path, replace(JOB_SETTINGS, instances=(None, False)))
    assert Journal(tmp_path, before).is_resumed


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_journal(make: Callable[[Path], None], tmp_path: Path) -> None:
    """The reading of a pipe would not end."""
    make(tmp_path / JOURNAL)
    with pytest.raises(ConfigError, match="does not begin as the journal of a labelling job does"):
        Journal(tmp_path, JOB_SETTINGS)


def test_the_settings_in_a_journal_keep_their_layout(tmp_path: Path) -> None:
    """Jobs that version 0.1 began can be resumed."""
    Journal(tmp_path, JOB_SETTINGS)
    assert json.loads((tmp_path / JOURNAL).read_text()) == {
        "format": "png",
        "pictures": "/images",
        "classes": [["crack", "abc"]],
        "model": ["123", "tiny"],
        "precision": "float32",
        "threshold": None,
        "presence": 0.5,
        "working size": 768,
        "tiles above": 3072,
    }
    assert record("a").to_line() == '["a", 4, 5, [["Ölkanne", "5220003", 0.5]], 0.25, ""]'


def test_a_job_of_version_0_1_resumes_as_one_that_refines_nothing(tmp_path: Path) -> None:
    older = {key: value for key, value in JOB_SETTINGS.to_json().items() if key != "refined edges"}
    (tmp_path / JOURNAL).write_text(json.dumps(older) + "\n")
    Journal(tmp_path, JOB_SETTINGS)
    with pytest.raises(ConfigError, match="refine was off and is on"):
        Journal(tmp_path, replace(JOB_SETTINGS, refine=True))


def test_a_full_disk_of_temporary_files_is_told_in_a_sentence() -> None:
    table = DiskTable()
    table._rows.execute("PRAGMA max_page_count = 4")  # as a disk that has no more
    with pytest.raises(DataError, match=r"free space in the folder of temporary files, or name another one .* TMPDIR"):
        for number in range(1000):
            table[f"{number:0100}"] = number, 1
