"""Folders at addresses such as s3://bucket/photos, by way of a copy on this machine; only this module knows of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cdpnet.errors import ConfigError, DataError


def is_address(text: str) -> bool:
    """Whether a text is an address with a scheme, not a path of this machine."""
    return "://" in text


class RemoteFolder:
    """A folder at an address, which fsspec reads and writes, and its copy on this machine.

    Credentials come from the environment only, as the storage's own tools read them.
    """

    def __init__(self, address: str, copy: Path) -> None:
        """Nothing is read yet. ConfigError for an address whose scheme, or its package, is not there."""
        self.address = address.rstrip("/")
        self.copy = copy
        self._sent: dict[str, tuple[int, int]] = {}  # size and time of the files that are the same at both places
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"{address} cannot be used: {_reason(error)}; s3:// needs the extra cloud: pip install 'cdpnet[cloud]'."
            ) from None
        self._root = self._root.rstrip("/")

    def fetch(self) -> int:
        """Copy all files to this machine; returns how many. DataError where that fails."""
        self.copy.mkdir(parents=True, exist_ok=True)
        with self._explained("read"):
            self._files.invalidate_cache()
            for key in self._files.find(self._root):
                name = key[len(self._root) :].lstrip("/")
                if name and not name.endswith("/"):  # storages keep empty files in place of folders
                    self._fetch_one(key, name)
        return len(self._sent)

    def _fetch_one(self, key: str, name: str) -> None:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DataError(f"{self.address} has a file {name!r}, whose name leads out of the folder; rename it.")
        place = self.copy / name
        place.parent.mkdir(parents=True, exist_ok=True)
        self._files.get_file(key, str(place))
        self._sent[name] = _state(place)

    def send(self, last: str) -> None:
        """Bring the address to the state of the copy: new and changed files, then ``last``; others are removed there.

        last: the file that names the others, so that it never names one that is not there; the only one whose name
        begins with a dot that is sent, as others are temporary. DataError where that fails; the same call goes on then.
        """
        found = {path.relative_to(self.copy).as_posix(): path for path in self.copy.rglob("*") if path.is_file()}
        names = sorted(name for name in found if not PurePosixPath(name).name.startswith("."))
        with self._explained("written to"):
            for name in (*names, *([last] if last in found else [])):
                try:
                    state = _state(found[name])
                    if self._sent.get(name) != state:
                        self._send_one(name, found[name])
                        self._sent[name] = state
                except FileNotFoundError:
                    if found[name].exists():  # the address is what is missing; otherwise the job removed the file
                        raise
            for name in [name for name in self._sent if name not in found]:
                self._files.rm_file(f"{self._root}/{name}")
                del self._sent[name]

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
            raise DataError(
                f"{self.address} cannot be {what}: {_reason(error)}; check the address, the network and the "
                "credentials in the environment."
            ) from None


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _reason(error: Exception) -> str:
    """What an error says, as the middle of a sentence."""
    said = " ".join(str(error).split()).rstrip(".")
    return said or "the storage gives no reason"
