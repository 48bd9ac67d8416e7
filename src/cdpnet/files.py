"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; renamed to ``path`` at the end, removed after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove what `atomic` left behind in a process that was killed while it wrote."""
    for path in folder.glob(".*"):
        if _LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)
