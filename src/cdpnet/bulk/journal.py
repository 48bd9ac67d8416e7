"""The journal of a labelling job: a file with one line for each finished image, from which a job is resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from cdpnet.bulk.stamps import ImageStamp, OutputStamp
from cdpnet.errors import ConfigError
from cdpnet.io.disk_table import DiskTable
from cdpnet.io.fields import FieldError, as_list, as_number, as_text, as_whole
from cdpnet.io.files import atomic, write_text
from cdpnet.io.label_folders import JOURNAL
from cdpnet.io.run_lengths import check_size
from cdpnet.labels.regions import ImageLabels, Region
from cdpnet.runtime.text import encode

SettingValue = str | float | None | list[str] | list[list[str]] | list[int | None]
# Settings that earlier versions did not write, with what they did.
_LATER_SETTINGS: dict[str, SettingValue] = {"refined edges": False, "instances": None, "keys": None}


@dataclass(frozen=True)
class JobSettings:
    """Everything that the labels of a job depend on; a job is resumed only with the same settings.

    images: the folder of images, resolved. classes: name and SHA-256 of each class. model: fingerprint and description
    of the network. threshold, min_presence: 0..1, or None for the network's own. working_size, tiles_above: pixels.
    refine: whether edges are refined. instances: `InstanceRules.min_area` and whether holes are filled, or None where a
    region has all objects of a class. keys: the most of the adaptive background, None for all.
    """

    label_format: str
    images: str
    classes: tuple[tuple[str, str], ...]
    model: tuple[str, str]
    precision: str
    threshold: float | None
    min_presence: float | None
    working_size: int
    tiles_above: int
    refine: bool
    instances: tuple[int | None, bool] | None = None
    keys: int | None = None

    def values(self) -> dict[str, SettingValue]:
        """All settings, in the order of the fields; keys are those of version 0.1, whose jobs resume."""
        return {
            "format": self.label_format,
            "pictures": self.images,
            "classes": [list(named) for named in self.classes],
            "model": list(self.model),
            "precision": self.precision,
            "threshold": self.threshold,
            "presence": self.min_presence,
            "working size": self.working_size,
            "tiles above": self.tiles_above,
            "refined edges": self.refine,
            "instances": None if self.instances is None else list(self.instances),
            "keys": self.keys,
        }

    def to_json(self) -> dict[str, SettingValue]:
        """The first line of a journal, without later settings where the job does as earlier versions did."""
        values = self.values()
        return {
            key: value for key, value in values.items() if key not in _LATER_SETTINGS or value != _LATER_SETTINGS[key]
        }


@dataclass(frozen=True)
class JournalRecord:
    """The result for one image.

    labels: its regions; of an image that could not be read only the path. uncertainty: 0..1, see `Segmentation`.
    error: the sentence that says why the image could not be labelled, or empty. stamp: of the image that was read.
    outputs: stamps of the files that were written for it, in the order of `Labeller.output_files`. Records of versions
    0.1 and 0.2 have neither of the two.
    """

    labels: ImageLabels
    uncertainty: float = 0.0
    error: str = ""
    stamp: ImageStamp | None = None
    outputs: tuple[OutputStamp, ...] = ()

    def to_line(self) -> str:
        """As a line of JSON, without the line break."""
        labels = self.labels
        regions = [[region.label, region.counts, region.score] for region in labels.regions]
        files = [] if self.stamp is None else [self.stamp.to_json(), [output.to_json() for output in self.outputs]]
        values = [labels.image, labels.height, labels.width, regions, self.uncertainty, self.error, *files]
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str | bytes) -> JournalRecord:
        """From a line of JSON. ValueError for one that is torn or of another kind, or whose masks are broken."""
        try:
            image, height, width, regions, uncertainty, error, *files = as_list(json.loads(line), "a record")
            labels = ImageLabels(
                as_text(image, "the image"),
                as_whole(height, "the height"),
                as_whole(width, "the width"),
                tuple(_read_region(region) for region in as_list(regions, "the regions")),
            )
            if labels.regions:
                check_size(*labels.size)
            for region in labels.regions:
                labels.area(region)  # so that broken run lengths are known now
            record = cls(labels, as_number(uncertainty, "the uncertainty"), as_text(error, "the error"))
            if not files:
                return record
            outputs = tuple(OutputStamp.from_json(output) for output in as_list(files[1], "the outputs"))
            return replace(record, stamp=ImageStamp.from_json(files[0]), outputs=outputs)
        except (FieldError, IndexError, RecursionError) as fault:
            raise ValueError(f"not a record of an image: {fault}") from None


def _in_words(value: object) -> str:
    """A setting for an error message."""
    match value:
        case None:
            return "the default"
        case bool():
            return "on" if value else "off"
        case [None | int() as area, bool() as filled]:  # instances, by their options
            given = "" if area is None else f" --min-area {area}"
            return f"--instances{given}{' --fill-holes' * filled}"
        case list():
            return ", ".join(map(_in_words, value)) or "none"
    return str(value)


def _read_region(value: object) -> Region:
    label, counts, score = as_list(value, "a region")
    return Region(as_text(label, "a label"), as_text(counts, "the run lengths"), as_number(score, "a score"))


class Journal:
    """The records of a job in its folder of labels; memory holds only the reasons of images that failed."""

    def __init__(self, out: Path, settings: JobSettings) -> None:
        """Resume the job in ``out``, or start one.

        ConfigError where that job had other settings, or a file of another kind is in the place of the journal.
        """
        self.path = out / JOURNAL
        self.is_resumed = self.path.exists()
        self.n_dropped = 0  # lines that are torn or of another job
        self._lines = DiskTable()  # position of each image's line, and whether it has labels
        self._failed: dict[str, str] = {}
        if self.is_resumed:
            self._read(settings)
        else:
            write_text(json.dumps(settings.to_json(), ensure_ascii=False) + "\n", self.path)

    def _read(self, settings: JobSettings) -> None:
        """Read the lines that are records; others are left out, an incomplete last line is cut off."""
        if not self.path.is_file():  # a pipe, whose reading may never end, or a folder
            raise self._no_journal()
        with self.path.open("rb") as file:
            self._compare(file.readline(), settings)
            end = file.tell()
            for line in file:
                if not line.endswith(b"\n"):  # left by a process that was stopped
                    self.n_dropped += 1
                    break
                try:
                    self._note(JournalRecord.from_line(line), end)
                except ValueError:
                    self.n_dropped += 1
                end += len(line)
        os.truncate(self.path, end)

    def _compare(self, first_line: bytes, settings: JobSettings) -> None:
        try:
            previous: dict[str, SettingValue] = {**_LATER_SETTINGS, **json.loads(first_line)}
        except (ValueError, TypeError, RecursionError):
            raise self._no_journal() from None
        for field, (key, value) in zip(fields(settings), settings.values().items(), strict=True):
            if previous.get(key) != value:
                raise ConfigError(
                    f"{self.path.parent} holds labels made with another setting: {field.name.replace('_', ' ')} was "
                    f"{_in_words(previous.get(key))} and is {_in_words(value)}; give the same, another --out, "
                    "or --overwrite to start again."
                )

    def _no_journal(self) -> ConfigError:
        return ConfigError(
            f"{self.path} does not begin as the journal of a labelling job does; give another --out, or --overwrite "
            "to start again."
        )

    def _note(self, record: JournalRecord, position: int) -> None:
        image = record.labels.image
        self._lines[image] = position, not record.error
        self._failed.pop(image, None)
        if record.error:
            self._failed[image] = record.error

    def is_done(self, image: str) -> bool:
        """Whether an image has its labels; one that failed is tried again."""
        line = self._lines[image]
        return line is not None and bool(line[1])

    def count_done_elsewhere(self, images: Iterable[str]) -> int:
        """The number of images that have labels and are none of these."""
        here = set(images)
        return sum(self.is_done(image) for image in self._lines if image not in here)

    def forget(self, image: str) -> None:
        """Leave out the record of an image, which is to be labelled anew."""
        del self._lines[image]

    def failed(self, images: Iterable[str]) -> dict[str, str]:
        """Those of the images that could not be labelled, with the reason."""
        return {image: self._failed[image] for image in images if image in self._failed}

    def add(self, records: Sequence[JournalRecord]) -> None:
        """Append records; they are on the disk when this returns."""
        lines = [(record, encode(record.to_line() + "\n")) for record in records]
        with self.path.open("ab") as file:
            position = file.seek(0, os.SEEK_END)
            file.write(b"".join(line for _, line in lines))
            file.flush()
            os.fsync(file.fileno())
        for record, line in lines:
            self._note(record, position)
            position += len(line)

    def records(self, images: Iterable[str]) -> Iterator[JournalRecord]:
        """The records of those images that have labels, read one at a time."""
        with self.path.open("rb") as file:
            for image in images:
                line = self._lines[image]
                if line is not None and line[1]:
                    file.seek(line[0])
                    yield JournalRecord.from_line(file.readline())

    def sort(self, images: Sequence[str]) -> None:
        """Bring the lines into the order of the images, so that equal jobs leave equal files."""
        with self.path.open("rb") as file, atomic(self.path) as temporary, temporary.open("wb") as sorted_file:
            sorted_file.write(file.readline())
            for image in images:
                line = self._lines[image]
                if line is not None:
                    file.seek(line[0])
                    self._lines[image] = sorted_file.tell(), line[1]
                    sorted_file.write(file.readline())
