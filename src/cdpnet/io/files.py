"""Read text files, and write files so that a reader never sees an incomplete one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from cdpnet.errors import DataError, WeightsError

_OTHER_KINDS = ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
LONGEST_NAME = 255  # bytes, on the usual file systems
TENSORS_ENDING = ".safetensors"  # of files of tensors
_TOKEN_BYTES = 4
_MOST_TEXT_BYTES = 2**26  # a list of a million files has about half of that

if TYPE_CHECKING:
    from PIL import Image


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; renamed to ``path`` once it is on the disk, removed after an error.

    Whatever writes to it must raise an error where not everything could be written. OSError, which names ``path``,
    where the disk is full or the folder cannot be written to. DataError as in `refuse_device`.
    """
    refuse_device(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = _without_token(path)
    temporary = path.with_name(f".{shown.stem}.{secrets.token_hex(_TOKEN_BYTES)}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)  # the temporary name means nothing to people
        raise


def _without_token(path: PurePath) -> PurePath:
    """The path that a temporary name is made from: ``path``, or one with a shorter name where there is no room."""
    room = LONGEST_NAME - len(os.fsencode(path.suffix)) - 2 * _TOKEN_BYTES - 2
    if len(os.fsencode(path.stem)) <= room:
        return path
    return path.with_name(hashlib.sha256(os.fsencode(path.stem)).hexdigest() + path.suffix)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file; readers see all of it or none."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_image(image: Image.Image, path: Path, **options: int) -> None:
    """Write an image in the format of its ending; readers see all of it or none. options: of Pillow's ``save``.

    It is encoded in memory, since Pillow's encoders take no notice of a write that a full disk cuts short.
    """
    from PIL import Image

    buffer = io.BytesIO()
    image.save(buffer, Image.registered_extensions()[path.suffix.lower()], **options)
    write_bytes(buffer.getvalue(), path)


def regular_file(path: Path, what: str = "a file", most_bytes: int | None = None) -> Path:
    """The path, for the call that opens it. ``what``: the file that is asked for, in words.

    DataError where there is nothing, or a folder, or a pipe or device, whose reading may never end; where it cannot be
    reached, as behind a link that leads back to itself; and where the file has more than ``most_bytes``.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a character that no path can hold
        raise DataError(f"There is no file {path}; give the path of {what}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); give the path of {what}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path} is a {_kind(status.st_mode)}; give the path of {what}.")
    if most_bytes is not None and status.st_size > most_bytes:
        raise DataError(f"{path} has {status.st_size:,} bytes and cannot be {what}, which has {most_bytes:,} at most.")
    return path


def _kind(mode: int) -> str:
    """What something else than a file is."""
    return next((kind for is_kind, kind in _OTHER_KINDS if is_kind(mode)), "device")


def refuse_device(path: Path) -> None:
    """DataError for a pipe, a socket or a device, such as /dev/null: a file to write would come in its place."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(f"{path} is a {_kind(path.stat().st_mode)}; give the name of a file to write.")


def require_class_file(path: Path) -> None:
    """DataError where there is no such class file; it is not read."""
    if not path.exists():
        raise DataError(f"There is no class file {path}; `cdpnet learn` makes one.")


def require_weights_file(path: Path) -> None:
    """WeightsError where there is no such file of weights; it is not read."""
    if not path.exists():
        raise WeightsError(f"There is no weights file {path}; give a {TENSORS_ENDING}, .pt or .pth file that exists.")


def real_path(path: Path) -> Path:
    """The absolute path without symbolic links; a link that leads back to itself stays, as does a name too long."""
    return Path(os.path.realpath(path))


def read_text(path: Path, what: str = "a text file", most_bytes: int = _MOST_TEXT_BYTES) -> str:
    """Read a text file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark; lines end as they may.

    what, most_bytes: as in `regular_file`. DataError where it is in another encoding, too large, or no file at all.
    """
    with regular_file(path, what, most_bytes).open("rb") as file:
        encoding = json.detect_encoding(file.read(4))
    try:
        return path.read_text(encoding="utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeError:
        raise DataError(f"{path} is not a text file in UTF-8 or UTF-16; save it as one.") from None


def write_text(text: str, path: Path) -> None:
    """Write a text file in UTF-8; readers see all of it or none. DataError for a text with half of a character."""
    try:
        content = text.encode()
    except UnicodeEncodeError:  # a lone surrogate, as in a file name that is not UTF-8
        raise DataError(f"{path} cannot be written, since a name in it is not Unicode text; rename that.") from None
    write_bytes(content, path)


def write_json(values: object, path: Path) -> None:
    """Write a JSON file; readers see all of it or none."""
    write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", path)


def refuse_to_replace(path: Path, *, read: Collection[Path] = (), overwrite: bool) -> None:
    """DataError for a file that exists, unless ``overwrite``, for a folder or device, and for a file that is read.

    read: the real paths of the files that are read.
    """
    if real_path(path) in read:
        raise DataError(f"{path} is read by this very command and would be replaced; give another --out.")
    if not os.path.lexists(path):
        return
    if path.is_dir() and not path.is_symlink():
        raise DataError(f"{path} is a folder, in the place of a file to write; move it away, or give another --out.")
    refuse_device(path)
    if not overwrite:
        raise DataError(f"{path} exists already; pass --overwrite to replace it, or another --out.")


def check_out_folder(out: Path) -> None:
    """DataError where the output folder, or one that it lies in, is a file; missing folders are made later."""
    _check_folders((out, *out.parents), "give --out a folder")


def check_out_file(out: Path, endings: Sequence[str], *, read: Collection[Path] = (), overwrite: bool) -> None:
    """DataError where the one file that a command writes has none of the endings, or cannot be put there.

    Also where one of the folders that it lies in is a file; the rest as `refuse_to_replace`.
    """
    if out.suffix.lower() not in endings:
        raise DataError(f"{out} does not end in {endings[0]}, as the file to write does.")
    _check_folders(out.parents, "give the file to write another folder")
    refuse_to_replace(out, read=read, overwrite=overwrite)


def _check_folders(folders: Iterable[Path], advice: str) -> None:
    """DataError, with the advice, where something else is in the place of a folder."""
    for path in folders:
        if os.path.lexists(path) and not path.is_dir():
            kind = "file" if path.exists() else "link that leads to nothing"
            raise DataError(f"{path} is a {kind}; {advice}.")


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files of `atomic` that a killed process left in a folder.

    names: paths below the folder of the files that were being written; they are looked at one by one.
    """
    pattern = re.compile(rf"\.(?P<stem>.+)\.[0-9a-f]{{{2 * _TOKEN_BYTES}}}(?P<suffix>(\.[^.]*)?)", re.DOTALL)
    found: dict[str, list[Path]] = {}  # by the file in whose place they would have come
    for parent, _, files in os.walk(folder):
        for match in filter(None, map(pattern.fullmatch, files)):
            written = (Path(parent) / (match["stem"] + match["suffix"])).relative_to(folder).as_posix()
            found.setdefault(written, []).append(Path(parent) / match.string)
    if not found:
        return
    for name in names:
        shown = _without_token(PurePath(name)).as_posix() if len(name) > LONGEST_NAME // 4 else name
        for path in (*found.pop(name, ()), *found.pop(shown, ())):
            path.unlink(missing_ok=True)
