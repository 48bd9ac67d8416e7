"""What tells whether an image file is still the one that was labelled."""

from __future__ import annotations

import hashlib
import os
from dataclasses import astuple, dataclass
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
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(*_state(os.fstat(file.fileno())), digest[:_DIGITS])

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


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
