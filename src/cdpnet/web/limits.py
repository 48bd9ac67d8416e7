"""Limits on files and sessions, so that one user cannot exhaust the server (our choice throughout)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from cdpnet.io.images import ENDINGS


class BrowserLimits(TypedDict):
    """The limits that the browser checks before it sends a file."""

    megabytes: int
    megapixels: int
    images: int
    examples: int
    name: int
    endings: list[str]


@dataclass(frozen=True)
class Limits:
    """images: of a session, and of an upload to a project. examples: of all classes of a session."""

    megabytes: int = 20  # of a file
    megapixels: int = 24  # of an image
    images: int = 48
    examples: int = 40
    name: int = 60  # characters of a class name
    sessions: int = 32  # at a time
    grace: float = 600.0  # seconds until the session of a closed or suspended page ends, and an idle one may
    connections: int = 500  # open at a time; a page has up to six, and a process often no more than 1024 files
    silence: float = 60.0  # seconds without a request after which a page counts as closed; it waits 20 s at a time
    logins: int = 10  # wrong ones from an address in a minute
    patience: float = 20.0  # seconds that a request may stop before it is complete
    body: int = 4 * 2**20  # bytes of a request that is no upload: masks at view size

    @property
    def upload(self) -> int:
        """The maximum number of bytes of an upload: those of all images, and a little around each."""
        return self.images * (self.megabytes * 10**6 + 10**4)

    @property
    def pixels(self) -> int:
        """The maximum number of pixels of an image."""
        return self.megapixels * 10**6

    def for_browser(self) -> BrowserLimits:
        """The limits that the browser checks."""
        return {
            "megabytes": self.megabytes,
            "megapixels": self.megapixels,
            "images": self.images,
            "examples": self.examples,
            "name": self.name,
            "endings": list(ENDINGS),
        }
