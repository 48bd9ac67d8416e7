"""What a labelling job has done so far: a file of one line for each picture, which is the job's only memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdpnet.errors import ConfigError
from cdpnet.files import atomic, write_text
from cdpnet.labels.regions import Labelled, Region

FILE = ".cdpnet-label.jsonl"


@dataclass(frozen=True)
class Record:
    """A picture that was labelled, how doubtful its labels are, 0..1, or the sentence that says why it could not be."""

    labelled: Labelled
    doubt: float = 0.0
    error: str = ""

    def line(self) -> str:
        """As a line of JSON."""
        found = self.labelled
        regions = [[region.label, region.counts, region.score] for region in found.regions]
        values = [found.picture, found.height, found.width, regions, self.doubt, self.error]
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str | bytes) -> Record:
        """From a line of JSON."""
        picture, height, width, regions, doubt, error = json.loads(line)
        return cls(Labelled(picture, height, width, tuple(Region(*region) for region in regions)), doubt, error)


class Journal:
    """The lines of a job in a folder of labels; in memory there is only where each picture's line begins."""

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
        picture = record.labelled.picture
        self._starts[picture] = start
        self._broken.pop(picture, None)
        if record.error:
            self._broken[picture] = record.error

    def is_done(self, picture: str) -> bool:
        """Whether a picture has its labels; a broken one is tried again."""
        return picture in self._starts and picture not in self._broken

    def broken(self, pictures: Iterable[str]) -> dict[str, str]:
        """Those of the pictures that could not be labelled, and why."""
        return {picture: self._broken[picture] for picture in pictures if picture in self._broken}

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

    def records(self, pictures: Iterable[str]) -> Iterator[Record]:
        """The records of those pictures that have labels, read one at a time."""
        with self.path.open("rb") as file:
            for picture in pictures:
                if self.is_done(picture):
                    file.seek(self._starts[picture])
                    yield Record.from_line(file.readline())

    def sort(self, pictures: Sequence[str]) -> None:
        """Bring the lines into the order of the pictures, so that equal jobs leave equal files."""
        with self.path.open("rb") as file, atomic(self.path) as temporary, temporary.open("wb") as sorted_file:
            sorted_file.write(file.readline())
            for picture in pictures:
                if picture in self._starts:
                    file.seek(self._starts[picture])
                    start = sorted_file.tell()
                    sorted_file.write(file.readline())
                    self._starts[picture] = start
