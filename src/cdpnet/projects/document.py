"""What project.json holds: classes, images, examples and settings, as records that never change themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, TypeVar

from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.io.files import write_text
from cdpnet.io.images import MAX_PIXELS
from cdpnet.runtime.text import check_class_name
from cdpnet.values import decode

FILE = "project.json"
FORMAT = 1
MAX_CLASSES = 254  # numbers of a mask of 8 bits without 0, the background, and 255, unlabelled
Review = Literal["", "accepted", "rejected"]
_ID = re.compile(r"[a-z](\d{1,9})-[0-9a-f]{6}")
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """threshold: of the probability at a pixel, None for the network's own. presence: leave out absent classes."""

    threshold: float | None = None
    presence: bool = True


@dataclass(frozen=True)
class ProjectClass:
    """A class.

    number: its value in masks, from 1; a number is never given to another name. learned: what its class file was
    learned from, see `class_key`; empty without a file. pooled: ids of the examples in the class file, in their order
    there. reason: why it could not be learned, or empty.
    """

    id: str
    name: str
    number: int
    learned: str = ""
    pooled: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """What the network found of a class in an image: share of the pixels, probability of presence, score; all 0..1."""

    class_id: str
    share: float
    presence: float
    score: float


@dataclass(frozen=True)
class ProjectImage:
    """An image.

    file: its path below the folder of images, with ``/``. revision: grows with each change. touched: the revision that
    a person's last change gave it; 0 while nothing in it is a person's. findings: of the network, and certain ones of
    what a person drew. uncertainty: of the network. found_with: key of the classes and settings that the mask was found
    with, see `result_key`; empty before. edited: whether a person drew in its mask. drawn: ids of the classes that a
    person drew, while the others are the network's; empty where all are a person's, or none. review: what a person said
    about it, at the revision ``reviewed`` of the project. reason: why the image cannot be used, or empty.
    """

    id: str
    file: str
    height: int
    width: int
    revision: int = 1
    findings: tuple[Finding, ...] = ()
    uncertainty: float = 0.0
    found_with: str = ""
    edited: bool = False
    drawn: tuple[str, ...] = ()
    touched: int = 0
    review: Review = ""
    reviewed: int = 0
    reason: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether its mask as a whole is a person's, so that no network changes it."""
        return bool(self.review) or (self.edited and not self.drawn)

    @property
    def is_reviewed(self) -> bool:
        """Whether a person has seen all that its mask shows: nothing is found in it of a class that nobody drew."""
        found = any(found.share and not self.is_drawn(found.class_id) for found in self.findings)
        return bool(self.review) or (self.edited and not found)

    @property
    def has_result(self) -> bool:
        """Whether the network or a person has given it a mask."""
        return bool(self.found_with or self.edited or self.review)

    def is_drawn(self, class_id: str) -> bool:
        """Whether a person drew the mask of a class, so that no network changes it."""
        return self.edited and (not self.drawn or class_id in self.drawn)

    @property
    def mask_file(self) -> str:
        """The path of its mask below the folder of masks."""
        return PurePosixPath(self.file).with_suffix(".png").as_posix()


@dataclass(frozen=True)
class ProjectExample:
    """An image as an example of a class, or of its absence. enabled: whether the class is learned from it."""

    id: str
    image: str
    class_id: str
    enabled: bool = True
    absent: bool = False


Record: TypeAlias = ProjectClass | ProjectExample | ProjectImage


@dataclass(frozen=True)
class Document:
    """The state of a project; records by their ids.

    revision: grows with each change. next_number: of the next id. names: of all classes that there ever were, where
    class number i is names[i - 1]. done, undone: steps of the history that can be taken back, and done again, the last
    one at the end.
    """

    revision: int = 1
    next_number: int = 1
    settings: Settings = Settings()
    names: tuple[str, ...] = ()
    done: tuple[int, ...] = ()
    undone: tuple[int, ...] = ()
    classes: Mapping[str, ProjectClass] = field(default_factory=dict)
    images: Mapping[str, ProjectImage] = field(default_factory=dict)
    examples: Mapping[str, ProjectExample] = field(default_factory=dict)

    def record(self, key: str) -> Record | None:
        """The record with an id; None where there is none."""
        return self.classes.get(key) or self.images.get(key) or self.examples.get(key)

    def with_records(self, records: Mapping[str, Record | None]) -> Document:
        """The document with other records; None stands for one that is removed. The line of a class has its name."""
        names = {one.number: one.name for one in records.values() if isinstance(one, ProjectClass)}
        return replace(
            self,
            names=tuple(names.get(number, name) for number, name in enumerate(self.names, start=1)),
            classes=_merge(self.classes, records, ProjectClass),
            images=_merge(self.images, records, ProjectImage),
            examples=_merge(self.examples, records, ProjectExample),
        )

    def save(self, folder: Path) -> None:
        """Write project.json; readers see all of it or none."""
        values = {
            "format": FORMAT,
            "revision": self.revision,
            "next_number": self.next_number,
            "settings": asdict(self.settings),
            "names": list(self.names),
            "history": {"done": list(self.done), "undone": list(self.undone)},
            "classes": [asdict(record) for record in self.classes.values()],
            "images": [asdict(record) for record in self.images.values()],
            "examples": [asdict(record) for record in self.examples.values()],
        }
        write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", folder / FILE)


def load_document(folder: Path) -> Document:
    """Read project.json. DataError for one of a newer version, and for one that is broken or of another kind."""
    path = folder / FILE
    values = read_json(path)
    stated = values.get("format") if isinstance(values, dict) else None
    if isinstance(stated, int) and stated > FORMAT:
        raise DataError(
            f"{path} has the format {stated} of a newer version of cdpnet, and this one reads {FORMAT}; install the "
            "newer version, which changes nothing in the folder until then."
        )
    try:
        if stated != FORMAT or not isinstance(values, dict):
            raise ValueError("no format")
        history = values.get("history", {"done": [], "undone": []})  # a project of before has none
        document = Document(
            _whole(values["revision"]),
            _whole(values["next_number"]),
            decode(Settings, values["settings"]),
            tuple(check_class_name(_text(name)) for name in values["names"]),
            tuple(map(_whole, history["done"])),
            tuple(map(_whole, history["undone"])),
            _by_id(decode(ProjectClass, one) for one in values["classes"]),
            _by_id(_image(one) for one in values["images"]),
            _by_id(decode(ProjectExample, one) for one in values["examples"]),
        )
        check(document)
    except (KeyError, TypeError, ValueError, DataError) as error:
        reason = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise DataError(
            f"{path} is not the file of a project, or is damaged ({reason}); put a copy of it in its place, or remove "
            "it to begin anew with the images of the folder."
        ) from None
    return document.with_records(document.classes)  # lines of names that a version of before has left behind


def order_of(record_id: str) -> int:
    """The number in an id. ValueError for what is no id."""
    match = _ID.fullmatch(record_id)
    if match is None:
        raise ValueError("an id that is not one of cdpnet")
    return int(match[1])


def _merge(table: Mapping[str, T], records: Mapping[str, Record | None], kind: type[T]) -> dict[str, T]:
    """A table without the records of these ids, and with those of its kind among them."""
    kept = {key: record for key, record in table.items() if key not in records}
    new = {key: record for key, record in records.items() if isinstance(record, kind)}
    return dict(sorted({**kept, **new}.items(), key=lambda item: order_of(item[0])))


def decode_record(key: str, values: object) -> Record:
    """The record of an id. TypeError or ValueError where the values are of another kind."""
    order_of(key)
    kinds: dict[str, Callable[[object], Record]] = {
        "c": lambda one: decode(ProjectClass, one),
        "e": lambda one: decode(ProjectExample, one),
        "i": _image,
    }
    record = kinds[key[0]](values)
    if record.id != key:
        raise ValueError("a record with the id of another one")
    return record


def check_path(name: str) -> str:
    """A path below a folder. ValueError for one that leads outside."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\0" in name:
        raise ValueError("a path outside the folder")
    return name


def _image(values: object) -> ProjectImage:
    if not isinstance(values, dict):
        raise ValueError("an image that is no object")
    image = decode(ProjectImage, {**values, "findings": []})
    check_path(image.file)
    is_possible = min(image.height, image.width) >= 0 and image.height * image.width <= MAX_PIXELS
    if not (is_possible and 0 <= image.uncertainty <= 1 and 0 <= image.touched <= image.revision):
        raise ValueError("an image with impossible numbers")
    return replace(image, findings=tuple(decode(Finding, one) for one in values.get("findings", [])))


def _by_id(records: Iterable[T]) -> dict[str, T]:
    found = {record.id: record for record in records}  # type: ignore[attr-defined]
    return dict(sorted(found.items(), key=lambda item: order_of(item[0])))


def check(document: Document) -> None:
    """ValueError where records refer to others that are not there, and for settings outside their range."""
    if not (document.settings.threshold is None or 0 < document.settings.threshold < 1):
        raise ValueError("a threshold outside 0..1")
    for one in document.classes.values():
        if not 1 <= one.number <= min(len(document.names), MAX_CLASSES):
            raise ValueError("a class whose number has no name")
        check_class_name(one.name)
    for example in document.examples.values():
        if example.image not in document.images or example.class_id not in document.classes:
            raise ValueError("an example without its image or class")
    for image in document.images.values():
        if any(not 0 <= value <= 1 for f in image.findings for value in (f.share, f.presence, f.score)):
            raise ValueError("a finding outside 0..1")


def _whole(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("a number that is not at least 1")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a name that is no text")
    return value
