"""A folder that one process at a time writes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cdpnet.errors import DataError
from cdpnet.io.files import refuse_to_replace

LOCK_FILE = ".cdpnet.lock"


@contextmanager
def locked(folder: Path, advice: str = "wait for its end, or give another --out") -> Iterator[None]:
    """Hold a folder, which is made if need be, so that no other process of this package writes to it.

    The system releases it when this process ends, however it ends. advice: the end of the sentence for who comes
    second. DataError where another process holds it, or its lock is a folder; OSError where it cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_to_replace(folder / LOCK_FILE, overwrite=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise DataError(f"{folder} is in use: another cdpnet command is writing to it; {advice}.") from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            (folder / LOCK_FILE).unlink()
        lock.release()
