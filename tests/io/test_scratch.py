"""Folders of temporary files, also of processes that were killed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from cdpnet.io.scratch import scratch_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_behind(folder: Path, *, seconds: float = 3600.0, locked: bool = True) -> Path:
    """A folder of some time ago, as a killed process leaves it."""
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "a.jpg").write_bytes(b"an image")
    if locked:
        (folder / "lock").touch()
    status = folder.stat()
    os.utime(folder, (status.st_atime, status.st_mtime - seconds))
    return folder


def test_a_folder_is_empty_and_goes_away(temporary: Path) -> None:
    with scratch_folder() as folder:
        assert not list(folder.iterdir())
        (folder / "a.jpg").write_bytes(b"an image")
    assert not list(temporary.iterdir())


def test_what_a_killed_process_left_is_removed(temporary: Path) -> None:
    folder = left_behind(temporary / "cdpnet-killed")
    with scratch_folder():
        assert not folder.exists()


def test_what_may_be_in_use_stays(temporary: Path) -> None:
    held, other = left_behind(temporary / "cdpnet-held"), left_behind(temporary / "other")
    young = left_behind(temporary / "cdpnet-young", seconds=0)
    foreign = left_behind(temporary / "cdpnet-foreign", locked=False)
    (temporary / "cdpnet-link").symlink_to(other)
    with FileLock(held / "lock"), scratch_folder() as first, scratch_folder():
        assert all((folder / "files" / "a.jpg").exists() for folder in (held, other, young, foreign))
        assert first.exists()
