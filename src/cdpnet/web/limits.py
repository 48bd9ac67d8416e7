"""What the page takes, so that one person cannot use up the machine (our choice throughout)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.images import ENDINGS


@dataclass(frozen=True)
class Limits:
    """images: looked at together. examples: of all classes of a session. waiting: requests in the queue."""

    megabytes: int = 20  # of a file
    megapixels: int = 24  # of an image
    images: int = 48
    examples: int = 40
    name: int = 60  # characters
    waiting: int = 48
    sessions: int = 32  # kept; the one unused for longest makes room
    grace: float = 600.0  # seconds that a session whose page is closed, or asleep on a phone, is kept

    @property
    def pixels(self) -> int:
        """The most pixels of an image."""
        return self.megapixels * 10**6

    def said(self) -> str:
        """For the page, before anything is chosen."""
        return f"up to {self.megabytes} MB and {self.megapixels} megapixels each"

    def for_browser(self) -> dict[str, object]:
        """What the browser can see before it sends a file."""
        return {
            "megabytes": self.megabytes,
            "megapixels": self.megapixels,
            "images": self.images,
            "endings": list(ENDINGS),
        }

    def check_files(self, files: Sequence[Path]) -> None:
        """DataError for too many files, one that is too large, and two that would share one mask."""
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
