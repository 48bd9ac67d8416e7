"""Folders of temporary files; those of processes that were killed are removed by the next process that needs one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

from filelock import FileLock, Timeout

_PREFIX = "cdpnet-"
_LOCK, _FILES = "lock", "files"  # in such a folder
_YOUNG = 60.0  # seconds in which a folder that nobody holds may be one that is being made (our choice)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder for temporary files, which is removed at the end. OSError where it cannot be made."""
    with TemporaryDirectory(prefix=_PREFIX) as name:
        folder = Path(name).resolve()
        with FileLock(folder / _LOCK, blocking=False):  # released by the system, however the process ends
            _remove_abandoned(folder)
            (folder / _FILES).mkdir()
            yield folder / _FILES


def _remove_abandoned(own: Path) -> None:
    """Remove the folders beside this one that a killed process of the same user left."""
    for folder in own.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):
            status = folder.lstat()
            is_own = status.st_uid == own.stat().st_uid and not folder.is_symlink()
            if is_own and (folder / _LOCK).is_file() and time() - status.st_mtime > _YOUNG:
                with FileLock(folder / _LOCK, blocking=False):
                    shutil.rmtree(folder, ignore_errors=True)
