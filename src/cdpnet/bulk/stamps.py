"""What tells whether a file of a job is still the one that was read or written."""

from __future__ import annotations

import hashlib
import os
from dataclasses import astuple, dataclass
from io import BufferedReader
from pathlib import Path

_DIGITS = 32  # of the hash that are kept: 128 bits, our choice


@dataclass(frozen=True)
class ImageStamp:
    """The state of an image file, and its content.

    size: bytes. modified, changed: when its content, and anything about it, last changed, in ns as the system counts
    them; they are compared for equality only, so a clock may go back. sha256: the first digits of the hash.
    """

    size: int
    modified: int
    changed: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> ImageStamp:
        """The stamp of a file, which is read. OSError where it cannot be."""
        with path.open("rb") as file:
            digest = _digest(file)
            return cls(*_state(os.fstat(file.fileno())), digest)

    @classmethod
    def from_json(cls, values: object) -> ImageStamp:
        """From the values of `to_json`. ValueError for others."""
        match values:
            case [int(size), int(modified), int(changed), str(sha256)]:
                return cls(size, modified, changed, sha256)
        raise ValueError("a stamp has three numbers and a hash")

    def to_json(self) -> list[int | str]:
        """As a list of plain values."""
        return list(astuple(self))

    def is_state_of(self, status: os.stat_result) -> bool:
        """Whether a file has this size and these times."""
        return _state(status) == (self.size, self.modified, self.changed)


@dataclass(frozen=True)
class OutputStamp:
    """The content of a file that was written for an image. No times, so that equal jobs leave equal journals.

    size: bytes. sha256: the first digits of the hash; empty in some older records.
    """

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> OutputStamp:
        """The stamp of a file, which is read. OSError where it cannot be."""
        with path.open("rb") as file:
            digest = _digest(file)
            return cls(os.fstat(file.fileno()).st_size, digest)

    @classmethod
    def from_json(cls, value: object) -> OutputStamp:
        """From the value of `to_json`, or a size alone. ValueError for another."""
        match value:
            case int(size):
                return cls(size, "")
            case [int(size), str(sha256)]:
                return cls(size, sha256)
        raise ValueError("a stamp of an output has a size and a hash")

    def to_json(self) -> list[int | str]:
        """As a list of plain values."""
        return list(astuple(self))

    def fits(self, path: Path) -> bool:
        """Whether a file has this content; it is read only where its size is the same. OSError where it cannot be."""
        if path.stat().st_size != self.size:
            return False
        return not self.sha256 or OutputStamp.of(path) == self


def _digest(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
