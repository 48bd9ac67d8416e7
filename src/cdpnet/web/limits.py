"""Limits on files and sessions, so that one user cannot exhaust the server (our choice throughout)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from cdpnet.errors import DataError
from cdpnet.io.images import ENDINGS


class BrowserLimits(TypedDict):
    """The limits that the browser checks before it sends a file."""

    megabytes: int
    megapixels: int
    images: int
    endings: list[str]


@dataclass(frozen=True)
class Limits:
    """images: segmented together. examples: of all classes of a session. waiting: requests in the queue."""

    megabytes: int = 20  # of a file
    megapixels: int = 24  # of an image
    images: int = 48
    examples: int = 40
    name: int = 60  # characters of a class name
    waiting: int = 48
    sessions: int = 32  # at a time
    grace: float = 600.0  # seconds until the session of a closed or suspended page ends, and an idle one may
    connections: int = 500  # open at a time; a page has up to six, and a process often no more than 1024 files
    logins: int = 10  # wrong ones of an address within a minute
    patience: float = 20.0  # seconds that a request may stop before it is complete

    @property
    def upload(self) -> int:
        """The maximum number of bytes of an upload: those of all images, and a little around each."""
        return self.images * (self.megabytes * 10**6 + 10**4)

    @property
    def pixels(self) -> int:
        """The maximum number of pixels of an image."""
        return self.megapixels * 10**6

    def describe(self) -> str:
        """The limits of a file in words, for the page."""
        return f"up to {self.megabytes} MB and {self.megapixels} megapixels each"

    def for_browser(self) -> BrowserLimits:
        """The limits that the browser checks."""
        return {
            "megabytes": self.megabytes,
            "megapixels": self.megapixels,
            "images": self.images,
            "endings": list(ENDINGS),
        }

    def check_files(self, files: Sequence[Path]) -> None:
        """DataError for too many files, for one that is too large, and for two whose masks would have one name."""
        if len(files) > self.images:
            raise DataError(
                f"{len(files)} images are too many for the page, which takes {self.images} at a time; for a whole "
                "folder, download the classes and use `cdpnet label`."
            )
        stems: dict[str, str] = {}
        for file in files:
            if file.stat().st_size > self.megabytes * 10**6:
                raise DataError(f"{file.name} is larger than {self.megabytes} MB; scale it down first.")
            if file.stem in stems:
                raise DataError(f"{stems[file.stem]} and {file.name} have one stem, so one mask; rename one of them.")
            stems[file.stem] = file.name
