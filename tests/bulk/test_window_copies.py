"""Windows that are labelled where the folders of the job are not: the same files, records and reasons."""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cdpnet.bulk.engines import Engine, Window
from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller
from cdpnet.bulk.window_copies import CopiesLabeller, JobFiles
from cdpnet.errors import DataError
from cdpnet.labels.formats import FORMATS
from cdpnet.labels.label_set import FormatName
from tests.hostile.jobs import Job, contents, write_noise


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a job; temporary files have another, which is empty at the end."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield tmp_path / "job"
    assert not list((tmp_path / "temporary").iterdir())


def elsewhere(folder: Path, meanwhile: Callable[[], object] = lambda: None) -> Engine:
    """An engine whose worker gets and returns bytes, and during whose work the folder of the job has another name."""

    def label(labeller: Labeller, windows: Iterable[Window]) -> Iterator[list[JournalRecord]]:
        with ThreadPoolExecutor(2) as pool:
            files = JobFiles(labeller, pool, bytes)
            worker = pickle.dumps(CopiesLabeller.of(labeller))
            for window in windows:
                sent = pickle.dumps(files.read(window))
                away = folder.rename(folder.with_name("away"))
                here = Path.cwd()
                os.chdir(tempfile.gettempdir())  # a worker has a working folder of its own
                try:
                    labels = pickle.dumps(pickle.loads(worker).label(pickle.loads(sent), pool, bytes))
                finally:
                    os.chdir(here)
                    away.rename(folder)
                meanwhile()
                yield files.write(pickle.loads(labels))

    return label


@pytest.mark.parametrize("label_format", FORMATS)
def test_every_format_gets_the_same_files(label_format: FormatName, folder: Path) -> None:
    """The folder of labels has the same name in both runs, since LabelMe's files have the way from it to the image."""
    job = Job.of(folder, label_format)
    write_noise(job.images / "deep" / "er" / "7.bmp", 7)
    job.run()
    here = contents(job.out)
    job.run(elsewhere(folder), overwrite=True)
    assert contents(job.out) == here


def test_a_resumed_job_sends_whole_windows_and_gets_what_is_missing(folder: Path) -> None:
    """A mask can depend on the batch in its last bit."""
    job = Job.of(folder)
    job.run()
    before = contents(job.out)
    job.mask(3).unlink()
    written = job.mask(1).stat().st_mtime_ns
    job.run(elsewhere(folder))
    assert contents(job.out) == before
    assert job.mask(1).stat().st_mtime_ns == written


@pytest.mark.parametrize("given", ["{job}/images", ".", "../images", "../../job/images"])
def test_reasons_name_the_paths_of_the_job(given: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.of(folder)
    monkeypatch.chdir(job.images)
    (job.images / "deep").mkdir()
    (job.images / "deep" / "text.png").write_text("not an image")
    (job.images / "cut.bmp").write_bytes((job.images / "0.bmp").read_bytes()[:99])
    (job.images / "nothing.png").symlink_to("nowhere")
    os.mkfifo(job.images / "pipe.png")
    job.labeller = replace(job.labeller, target=replace(job.labeller.target, images=Path(given.format(job=folder))))
    here = job.run().failed
    assert len(here) == 4
    assert job.run(elsewhere(folder)).failed == here


def test_an_image_that_changes_while_it_is_read_is_not_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.of(folder)
    read = Path.read_bytes

    def read_and_replace(path: Path) -> bytes:
        content = read(path)
        if path == job.images / "3.bmp":
            write_noise(path, 9)
        return content

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", read_and_replace)
        assert "3.bmp was changed while it was read" in job.run(elsewhere(folder)).failed["3.bmp"]
    assert not job.mask(3).exists()
    assert not job.run(elsewhere(folder)).failed
    assert contents(job.out) == job.undisturbed()


def test_a_file_that_cannot_be_written_for_its_name_is_told(folder: Path) -> None:
    job = Job.of(folder)
    result = job.run(elsewhere(folder, lambda: job.mask(3).mkdir(parents=True)))
    assert result.failed == {"3.bmp": f"{job.mask(3)} cannot be written (Is a directory); rename the image."}
    job.mask(3).rmdir()
    assert not job.run(elsewhere(folder)).failed
    assert contents(job.out) == job.undisturbed()


def test_a_name_that_the_temporary_folder_cannot_have_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.of(folder)
    write = Path.write_bytes

    def refuse(path: Path, content: bytes) -> int:
        if path.name == "3.bmp":
            raise OSError(errno.ENAMETOOLONG, "File name too long", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    failed = job.run(elsewhere(folder)).failed
    assert failed == {"3.bmp": f"{job.images / '3.bmp'} cannot be written (File name too long); rename the image."}


def test_a_full_disk_of_temporary_files_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.of(folder)

    def full(path: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match=r"^A temporary file of the machine .* \(No space left on device\); free"):
            next(iter(elsewhere(folder)(job.labeller, [Window(["0.bmp"], [])])))
    job.run(elsewhere(folder))
    assert contents(job.out) == job.undisturbed()
