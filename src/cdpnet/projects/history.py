"""The steps of a project that can be taken back and done again; they lie in its folder, so they outlive a program."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.io.files import write_text
from cdpnet.io.images import ENDINGS, HEIF_ENDINGS
from cdpnet.projects.document import Record, check_path, decode_record
from cdpnet.projects.folder import CLASSES, EXAMPLES, IMAGES, MASKS, REMOVED
from cdpnet.values import decode

FOLDER = "history"
STEPS = 50  # that can be taken back (our choice)
MOST_BYTES = 2**26  # of the files of all steps but the last one (our choice)
_FILE = re.compile(r"\d+\.json")
_ENDINGS = (*ENDINGS, *HEIF_ENDINGS)
_OWN_FILE = re.compile(rf"({MASKS}|{EXAMPLES})/.+\.png|{CLASSES}/.+\.safetensors", re.DOTALL)


@dataclass(frozen=True)
class Change:
    """New values; None where there is nothing then.

    records: by their ids. files: contents by paths below the folder of the project. pictures: files of images by where
    they lie, and where they go, which is among the removed ones or back; paths below the folder of the project.
    """

    records: Mapping[str, Record | None] = field(default_factory=dict)
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """sentence: what was done. change: what takes it back; of a step that was taken back, what does it again."""

    sentence: str
    change: Change


class History:
    """Steps by the revisions of the project that they led to, each in a file below the folder of the project.

    Which of them can be taken back or done again says the document, so that both are written at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._steps: dict[int, Step] = {}
        self._sizes: dict[int, int] = {}

    def __getitem__(self, revision: int) -> Step:
        return self._steps[revision]

    def load(self, revisions: Sequence[int]) -> tuple[int, ...]:
        """Read steps, oldest first; gives those after the last one that is missing or damaged."""
        for at in reversed(range(len(revisions))):
            path = self._path(revisions[at])
            try:
                self._steps[revisions[at]] = _decode(read_json(path))
                self._sizes[revisions[at]] = path.stat().st_size
            except (DataError, OSError, KeyError, TypeError, ValueError):
                return tuple(revisions[at + 1 :])
        return tuple(revisions)

    def free_revision(self, revision: int) -> int:
        """The first revision from this one on whose step can be written: something else may have its name."""
        while self._path(revision).is_dir():
            revision += 1
        return revision

    def add(self, revision: int, step: Step) -> None:
        """Write a step. OSError where the disk is full."""
        text = _encode(step)
        write_text(text, self._path(revision))
        self._steps[revision], self._sizes[revision] = step, len(text)

    def unfinished(self, revision: int) -> Step | None:
        """The step that a program was killed in: the only one later than the document, which is written last.

        None also where it would put an image aside that no step brings back, so that it would be lost.
        """
        with suppress(OSError, DataError, KeyError, TypeError, ValueError):
            names = [path.name for path in self.folder.iterdir() if _FILE.fullmatch(path.name)]
            later = [name for name in names if int(Path(name).stem) > revision]
            if len(later) != 1:
                return None
            step = _decode(read_json(self.folder / later[0]))
            lost = {place for place in step.change.pictures.values() if place.startswith(f"{REMOVED}/")}
            return step if lost <= self.pictures_aside() else None
        return None

    def newest(self, revisions: Sequence[int]) -> tuple[int, ...]:
        """The last of these steps, as many as are kept: `STEPS`, with `MOST_BYTES`, and always one."""
        kept, size = list(revisions[-STEPS:]), sum(self._sizes[one] for one in revisions[-STEPS:-1])
        while size > MOST_BYTES:
            size -= self._sizes[kept.pop(0)]
        return tuple(kept)

    def keep(self, revisions: Collection[int]) -> None:
        """Remove all other steps, also files of a program that was killed."""
        self._steps = {key: step for key, step in self._steps.items() if key in revisions}
        self._sizes = {key: size for key, size in self._sizes.items() if key in revisions}
        if self.folder.is_symlink():  # what lies elsewhere is not the project's
            return
        names = {self._path(one).name for one in revisions}
        with suppress(OSError):  # there may be no folder
            found = [path for path in self.folder.iterdir() if _FILE.fullmatch(path.name) and path.name not in names]
            for path in found:
                with suppress(OSError):  # such as a folder of that name, which is not the project's
                    path.unlink()

    def pictures_aside(self) -> set[str]:
        """Where the files of images lie that were put aside, and come back with a step."""
        return {source for step in self._steps.values() for source in step.change.pictures}

    def _path(self, revision: int) -> Path:
        return self.folder / f"{revision}.json"


def why_nothing(recorded: Sequence[int], read: Sequence[int], what: str) -> str:
    """Why there is no further step, in a sentence. recorded: in the document. what: cannot be done with it."""
    lost = len(recorded) - len(read)
    if not lost:
        return f"There is nothing to {what}."
    return f"{FOLDER}/{recorded[lost - 1]}.json is missing or damaged, so there is nothing more to {what}."


def _encode(step: Step) -> str:
    change = step.change
    values = {
        "sentence": step.sentence,
        "records": {key: record and asdict(record) for key, record in change.records.items()},
        "files": {
            name: None if content is None else b64encode(content).decode() for name, content in change.files.items()
        },
        "pictures": dict(change.pictures),
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Stored:
    """A step as JSON; files are in base64."""

    sentence: str
    records: Mapping[str, object]
    files: Mapping[str, str | None]
    pictures: Mapping[str, object]


def _decode(values: object) -> Step:
    """KeyError, TypeError or ValueError for what is no step, or reaches outside the folder of a project."""
    stored = decode(_Stored, values)
    records = {key: None if one is None else decode_record(key, one) for key, one in stored.records.items()}
    files = {
        _check_own(name): None if text is None else b64decode(text, validate=True)
        for name, text in stored.files.items()
    }
    pictures = [_decode_move(source, target) for source, target in stored.pictures.items()]
    return Step(stored.sentence, Change(records, files, dict(pictures)))


def _check_own(name: str) -> str:
    """The path of a mask or class file. ValueError for another one: a link in the folder may lead a step anywhere."""
    if not _OWN_FILE.fullmatch(name):
        raise ValueError("a file that no step writes")
    return check_path(name)


def _decode_move(source: str, target: object) -> tuple[str, str]:
    """Where the file of an image lies, and where it goes."""
    if not isinstance(target, str) or {source.split("/")[0], target.split("/")[0]} != {IMAGES, REMOVED}:
        raise ValueError("the file of an image that goes somewhere else")
    if not source.lower().endswith(_ENDINGS) or not target.lower().endswith(_ENDINGS):
        raise ValueError("a file that is no image")
    return check_path(source), check_path(target)
