"""Files and folders at addresses such as s3://bucket/photos, by way of a copy; only this module opens addresses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cdpnet.errors import ConfigError, DataError


def is_address(text: str) -> bool:
    """Whether a text is an address with a scheme, not a path of this machine."""
    return "://" in text


class RemoteFolder:
    """A folder, or a file, at an address, which fsspec reads and writes, and its copy on this machine.

    Credentials come from the environment only, as the storage's own tools read them. Memory does not grow with the
    number of files.
    """

    def __init__(self, address: str, copy: Path) -> None:
        """Nothing is read yet. ConfigError for one without a place, or whose scheme, or its package, is not there."""
        self.address = address.rstrip("/")
        if not is_address(self.address) or self.address.startswith(":"):
            raise ConfigError(f"{address} names no place; give an address such as s3://bucket/photos.")
        self.copy = copy
        from cdpnet.io.disk_table import DiskTable  # with a data base, which no path of this machine needs

        self._sent = DiskTable()  # of the files that are the same at both places
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(self.address, use_listings_cache=False)
        except Exception as error:  # some storages are reached here, and each has errors of its own
            raise ConfigError(
                f"{address} cannot be used: {_reason(error)}; s3:// needs the extra cloud: pip install 'cdpnet[cloud]'."
            ) from None
        self._root = self._root.rstrip("/")

    def names(self) -> Iterator[str]:
        """The paths of all files below the folder: of S3 a page at a time, of other storages a folder at a time."""
        for key in self._s3_keys() if "s3" in self._protocols else self._walk():
            name = key[len(self._root) + 1 :]
            if name and not name.endswith("/"):  # storages keep empty files in place of folders
                yield name

    def _s3_keys(self) -> Iterator[str]:
        bucket, prefix, _ = self._files.split_path(self._root)
        asked = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else ""}
        while True:
            page = self._files.call_s3("list_objects_v2", **asked)
            for entry in page.get("Contents", ()):
                yield f"{bucket}/{entry['Key']}"
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _walk(self) -> Iterator[str]:
        for place, _, files in self._files.walk(self._root, on_error=_refuse_unreadable):
            for name in files:
                yield f"{place}/{name}"

    def fetch(self) -> Path:
        """Copy all files to this machine, or the one that the address is of; the path of that, or of the folder.

        DataError where that fails.
        """
        with self._explained("read"):
            self.copy.mkdir(parents=True, exist_ok=True)
            if self._files.isfile(self._root):
                place = self.copy / PurePosixPath(self._root).name
                self._files.get_file(self._root, str(place))
                return place
            for name in self.names():
                self._fetch_one(name)
        return self.copy

    def _fetch_one(self, name: str) -> None:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DataError(f"{self.address} has a file {name!r}, whose name leads out of the folder; rename it.")
        place = self.copy / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(f"{self._root}/{name}", str(place))
        except OSError as error:
            if not str(error.filename).startswith(str(self.copy)):
                if isinstance(error, FileNotFoundError):  # removed there since it was listed
                    return
                raise
            raise DataError(
                f"{self.address}/{name} cannot be a file of this machine ({error.strerror}); rename it."
            ) from None
        self._sent[name] = _state(place)

    def send(self, last: str) -> None:
        """Bring the address to the state of the copy: new and changed files, then ``last``; others are removed there.

        last: the file that names the others, so that it never names one that is not there; the only one whose name
        begins with a dot that is sent, as others are temporary. DataError where that fails; the same call goes on then.
        """
        with self._explained("written to"):
            for path in _files_below(self.copy):
                if not path.name.startswith("."):
                    self._send_new(path)
            if (self.copy / last).exists():
                self._send_new(self.copy / last)
            for name in [name for name in self._sent if not (self.copy / name).exists()]:
                self._files.rm_file(f"{self._root}/{name}")
                del self._sent[name]

    def _send_new(self, path: Path) -> None:
        """Send a file that is new or changed; one that the job removed meanwhile is passed over."""
        name = path.relative_to(self.copy).as_posix()
        try:
            state = _state(path)
            if self._sent[name] != state:
                self._send_one(name, path)
                self._sent[name] = state
        except FileNotFoundError:
            if path.exists():  # the address is what is missing
                raise

    def _send_one(self, name: str, path: Path) -> None:
        target = f"{self._root}/{name}"
        if "file" in self._protocols:
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._files.put_file(str(path), target)

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol: str | tuple[str, ...] = self._files.protocol
        return (protocol,) if isinstance(protocol, str) else protocol

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """DataError, in one sentence, for whatever a storage raises: each has errors of its own."""
        try:
            yield
        except DataError:
            raise
        except Exception as error:
            reason = _reason(error).replace(str(self.copy), self.address)
            raise DataError(
                f"{self.address} cannot be {what}: {reason}; check the address, the network and the "
                "credentials in the environment."
            ) from None


def _refuse_unreadable(error: OSError) -> None:
    """Raise an error of a listing, unless the folder is not there, as that of new labels."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _files_below(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those in it; not even the names of one folder are held at once."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(Path(entry.path))
            elif entry.is_file():
                yield Path(entry.path)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _reason(error: Exception) -> str:
    """What an error says, as the middle of a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.rstrip(".")
    said = "" if isinstance(error, TypeError) else " ".join(str(error).split()).rstrip(".")  # which speaks of code
    return said or "the storage gives no reason"
