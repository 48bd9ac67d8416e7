"""The files that say what YOLO's numbers mean: data.yaml, and lists of class names."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.documents import read_yaml
from cdpnet.io.fields import FieldError
from cdpnet.io.files import read_text
from cdpnet.io.label_folders import NAMES_FILE

DATA_FILE = "data.yaml"
_LISTS = (NAMES_FILE, "obj.names")  # the second as CVAT writes it
_FOLDERS = 3  # the folder of a label file and two above, as in data.yaml, train/labels/a.txt


@dataclass(frozen=True)
class DataSet:
    """What the numbers in label files mean. source: the file that says it; None where there is none.

    names: of the classes, by number. n_keypoint_values: numbers that follow the box of each line, in sets of poses.
    """

    source: Path | None = None
    names: dict[int, str] = field(default_factory=dict)
    n_keypoint_values: int = 0

    def class_name(self, number: int) -> str:
        """The name of a class; the number itself where no file has names. FieldError for a number without a name."""
        if self.source is None:
            return str(number)
        if number not in self.names:
            raise FieldError(f"its class is {number}, and {self.source} has no name for it")
        return self.names[number]


def read_data_near(path: Path) -> DataSet:
    """The data set of a label file, from data.yaml or a list of names in its folder or up to two folders above.

    DataError where such a file is broken.
    """
    for folder in list(path.resolve().parents)[:_FOLDERS]:
        if (folder / DATA_FILE).is_file():
            return _read_data_file(folder / DATA_FILE)
        for name in _LISTS:
            if (folder / name).is_file() and folder / name != path.resolve():
                lines = read_text(folder / name).rstrip().splitlines()
                return DataSet(folder / name, dict(enumerate(line.strip() for line in lines)))
    return DataSet()


def _read_data_file(path: Path) -> DataSet:
    content = read_yaml(path)
    record = content if isinstance(content, dict) else {}
    names = record.get("names")
    try:
        pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else None
        if pairs is None:
            raise TypeError
        found = {int(number): name for number, name in pairs}
        shape = record.get("kpt_shape") or [0]
        n_keypoint_values = prod(int(side) for side in shape)
    except (TypeError, ValueError, OverflowError):  # a number or a name that is of another kind, or too long
        raise DataError(f"{path} has no list of class names as YOLO's data.yaml has.") from None
    return DataSet(path, {number: _as_name(name, number, path) for number, name in found.items()}, n_keypoint_values)


def _as_name(name: object, number: int, path: Path) -> str:
    """The name of a class; a number is one as well. Without quotes YAML takes no, off and null for other values."""
    if isinstance(name, bool) or name is None:
        raise DataError(f"{path} has no text as the name of class {number}; put the name in quotes.")
    if not isinstance(name, (str, int, float)):
        raise DataError(f"{path} has no list of class names as YOLO's data.yaml has.")
    try:
        return str(name)
    except ValueError:  # more digits than are converted
        raise DataError(f"{path} has no list of class names as YOLO's data.yaml has.") from None
