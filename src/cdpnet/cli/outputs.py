"""The places that commands write to: made and checked before the work starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.files import refuse_device


@contextmanager
def out_folder(path: str) -> Iterator[Path]:
    """Make the folder to write to, before the work starts. DataError where that is impossible.

    What was made is removed again where the work ends with an error and nothing lies in it.
    """
    folder = Path(path)
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be a folder to write to ({error.strerror}); give another path.") from None
    if not os.access(folder, os.W_OK):
        raise DataError(f"{path} is a folder that may not be written to; give another path.")
    try:
        yield folder
    except BaseException:
        with suppress(OSError):  # of one that is not empty
            for one in made:
                one.rmdir()
        raise


@contextmanager
def held_folder(path: str) -> Iterator[Path]:
    """Make the folder to write to, and hold it, so that no other command writes to it. DataError where one does."""
    from cdpnet.io.locks import locked

    with out_folder(path) as folder, locked(folder):
        yield folder


@contextmanager
def out_file(path: str, beginning: bytes) -> Iterator[Path]:
    """Make the folder of a file to write, as `out_folder`.

    beginning: of every such file. DataError where the path is a folder or a device, or a file of another kind, such as
    one that the command reads, which would be lost.
    """
    file = Path(path)
    if file.is_dir() or not file.name:
        raise DataError(f"{path} is a folder; give the name of a file to write.")
    refuse_device(file)
    if file.is_file():
        with file.open("rb") as there:
            if there.read(len(beginning)) not in (beginning, b""):
                raise DataError(f"{path} is a file of another kind, which would be lost; give another name.")
    with out_folder(str(file.parent)):
        yield file
