"""What a labelling job has done so far: a file of one line for each image, which is the job's only memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdpnet.errors import ConfigError
from cdpnet.io.files import atomic, write_text
from cdpnet.labels.regions import ImageLabels, Region

FILE = ".cdpnet-label.jsonl"


@dataclass(frozen=True)
class Record:
    """An image that was labelled, how uncertain its labels are, 0..1, or the sentence that says why it could not be."""

    labelled: ImageLabels
    uncertainty: float = 0.0
    error: str = ""

    def line(self) -> str:
        """As a line of JSON."""
        found = self.labelled
        regions = [[region.label, region.counts, region.score] for region in found.regions]
        values = [found.image, found.height, found.width, regions, self.uncertainty, self.error]
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str | bytes) -> Record:
        """From a line of JSON."""
        image, height, width, regions, uncertainty, error = json.loads(line)
        return cls(ImageLabels(image, height, width, tuple(Region(*region) for region in regions)), uncertainty, error)


class Journal:
    """The lines of a job in a folder of labels; in memory there is only where each image's line begins."""

    def __init__(self, out: Path, settings: dict[str, Any]) -> None:
        """Go on with the job found in ``out``, or begin one. ConfigError where that job had other settings."""
        self.path = out / FILE
        self._starts: dict[str, int] = {}
        self._broken: dict[str, str] = {}
        if self.path.exists():
            self._read(settings)
        else:
            write_text(json.dumps(settings, ensure_ascii=False) + "\n", self.path)

    def _read(self, settings: dict[str, Any]) -> None:
        """Take in the lines that are whole; what a stopped process left of its last one is cut off."""
        whole = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                if whole == 0:
                    self._compare(json.loads(line), settings)
                else:
                    self._note(Record.from_line(line), whole)
                whole += len(line)
        os.truncate(self.path, whole)

    def _compare(self, before: dict[str, Any], settings: dict[str, Any]) -> None:
        for name in settings:
            if before.get(name) != settings[name]:
                raise ConfigError(
                    f"{self.path.parent} holds labels made with another setting: {name} was {before.get(name)} and is "
                    f"{settings[name]}; give another --out, or --overwrite to begin anew."
                )

    def _note(self, record: Record, start: int) -> None:
        image = record.labelled.image
        self._starts[image] = start
        self._broken.pop(image, None)
        if record.error:
            self._broken[image] = record.error

    def is_done(self, image: str) -> bool:
        """Whether an image has its labels; a broken one is tried again."""
        return image in self._starts and image not in self._broken

    def broken(self, images: Iterable[str]) -> dict[str, str]:
        """Those of the images that could not be labelled, and why."""
        return {image: self._broken[image] for image in images if image in self._broken}

    def add(self, records: Sequence[Record]) -> None:
        """Write what is done behind the lines there are; it is on the disk when this returns."""
        lines = [(record, (record.line() + "\n").encode()) for record in records]
        with self.path.open("ab") as file:
            start = file.seek(0, os.SEEK_END)
            file.write(b"".join(line for _, line in lines))
            file.flush()
            os.fsync(file.fileno())
        for record, line in lines:
            self._note(record, start)
            start += len(line)

    def records(self, images: Iterable[str]) -> Iterator[Record]:
        """The records of those images that have labels, read one at a time."""
        with self.path.open("rb") as file:
            for image in images:
                if self.is_done(image):
                    file.seek(self._starts[image])
                    yield Record.from_line(file.readline())

    def sort(self, images: Sequence[str]) -> None:
        """Bring the lines into the order of the images, so that equal jobs leave equal files."""
        with self.path.open("rb") as file, atomic(self.path) as temporary, temporary.open("wb") as sorted_file:
            sorted_file.write(file.readline())
            for image in images:
                if image in self._starts:
                    file.seek(self._starts[image])
                    start = sorted_file.tell()
                    sorted_file.write(file.readline())
                    self._starts[image] = start
