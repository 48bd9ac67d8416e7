"""A resumed job: every image has the mask of its present content, and every output is there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cdpnet.bulk.stamps import ImageStamp
from tests.hostile.jobs import Job, contents, write_noise


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job.of(tmp_path)
    job.run()
    return job


def test_what_is_new_changed_and_missing_is_made_anew(job: Job) -> None:
    write_noise(job.images / "new.bmp", 8)
    write_noise(job.images / "3.bmp", 9)
    job.mask(0).unlink()
    os.truncate(job.thumbnail(1), 100)
    old, untouched = job.mask(3).read_bytes(), job.mask(2).stat().st_mtime_ns
    job.run()
    assert job.said == ["The job is resumed: 1 new, 1 changed, 2 outputs missing."]
    assert job.mask(3).read_bytes() != old
    assert job.mask(2).stat().st_mtime_ns == untouched
    assert contents(job.out) == job.undisturbed()
    job.run()
    assert job.said == ["The job is resumed: 0 new, 0 changed, 0 outputs missing."]


def test_labels_of_images_that_are_gone_stay_and_are_told_once(job: Job) -> None:
    for i in (2, 3):
        (job.images / f"{i}.bmp").unlink()
    job.run()
    expected = "2 no longer in the folder, whose label files and thumbnails stay"
    assert job.said == [f"The job is resumed: 0 new, 0 changed, 0 outputs missing, {expected}."]
    assert job.mask(3).is_file()
    job.run()
    assert job.said == ["The job is resumed: 0 new, 0 changed, 0 outputs missing."]


@pytest.mark.parametrize("seconds", [0, -1, None], ids=["1970", "a second earlier", "the same time"])
def test_a_replaced_image_is_noticed_whatever_the_clock_says(seconds: int | None, job: Job) -> None:
    path = job.images / "3.bmp"
    before = path.stat()
    write_noise(path, 9)
    time = 0 if seconds == 0 else before.st_mtime_ns + (seconds or 0) * 10**9
    os.utime(path, ns=(time, time))
    assert path.stat().st_size == before.st_size
    job.run()
    assert "1 changed" in job.said[0]
    assert contents(job.out) == job.undisturbed()


def test_images_that_change_places_change_masks(job: Job) -> None:
    for old, new in (("3", "other"), ("4", "3"), ("other", "4")):
        (job.images / f"{old}.bmp").rename(job.images / f"{new}.bmp")
    job.run()
    assert "2 changed" in job.said[0]
    assert contents(job.out) == job.undisturbed()


def test_an_image_with_another_time_and_the_same_content_is_read_once(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, of = [], ImageStamp.of

    def noted(path: Path) -> ImageStamp:
        read.append(path.name)
        return of(path)

    shutil.copy(job.images / "3.bmp", job.images / "copy")
    (job.images / "copy").replace(job.images / "3.bmp")
    written = job.mask(3).stat().st_mtime_ns
    monkeypatch.setattr(ImageStamp, "of", noted)
    for _ in range(2):
        job.run()
        assert job.said == ["The job is resumed: 0 new, 0 changed, 0 outputs missing."]
    assert read == ["3.bmp"]
    assert job.mask(3).stat().st_mtime_ns == written


def test_an_edited_label_stays_while_its_image_does(job: Job) -> None:
    edited = job.mask(2).read_bytes() + b"by hand"
    job.mask(2).write_bytes(edited)
    job.mask(0).unlink()  # of the same window
    job.run()
    assert job.said == [
        "The job is resumed: 0 new, 0 changed, 1 output missing, 1 label file edited since, which is kept."
    ]
    assert job.mask(2).read_bytes() == edited
    write_noise(job.images / "2.bmp", 9)
    job.run()
    assert contents(job.out) == job.undisturbed()


def test_outputs_are_compared_by_content(job: Job) -> None:
    """Of files that keep their size: a thumbnail is made anew, a label stays as it was edited."""
    torn, edited = bytearray(job.thumbnail(1).read_bytes()), bytearray(job.mask(2).read_bytes())
    torn[-100:] = bytes(100)
    edited[-1] ^= 1
    job.thumbnail(1).write_bytes(torn)
    job.mask(2).write_bytes(edited)
    job.run()
    assert job.said == [
        "The job is resumed: 0 new, 0 changed, 1 output missing, 1 label file edited since, which is kept."
    ]
    assert job.mask(2).read_bytes() == edited
    assert job.thumbnail(1).read_bytes() != torn
    job.mask(2).unlink()
    job.run()
    assert contents(job.out) == job.undisturbed()


@pytest.mark.parametrize("without", ["stamps", "hashes"])
def test_journals_of_older_kinds_go_on(without: str, job: Job) -> None:
    """Of version 0.2 without stamps, and with the sizes of outputs alone."""
    head, *lines = job.journal.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        record[6:] = [] if without == "stamps" else [record[6], [size for size, _ in record[7]]]
    job.journal.write_text("\n".join([head, *(json.dumps(record, ensure_ascii=False) for record in records)]) + "\n")
    job.mask(0).unlink()
    written = job.mask(2).stat().st_mtime_ns
    job.run()
    assert job.said == ["The job is resumed: 0 new, 0 changed, 1 output missing."]
    assert job.mask(2).stat().st_mtime_ns == written
    found, expected = contents(job.out), job.undisturbed()
    assert found.pop(job.journal.name) != expected.pop(job.journal.name)
    assert found == expected


def test_an_empty_label_file_is_missing(job: Job) -> None:
    os.truncate(job.mask(2), 0)
    job.run()
    assert "1 output missing" in job.said[0]
    assert contents(job.out) == job.undisturbed()


def test_an_image_replaced_by_a_broken_one_has_no_mask(job: Job) -> None:
    (job.images / "3.bmp").write_bytes(b"BM")
    assert list(job.run().failed) == ["3.bmp"]
    assert not job.mask(3).exists()
    assert not job.thumbnail(3).exists()
