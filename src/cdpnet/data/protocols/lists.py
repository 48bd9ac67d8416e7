"""List files in HSNet's format: text for PASCAL-5i, pickles for COCO-20i."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickletools import genops

from cdpnet.data.protocols.pools import Pool
from cdpnet.data.readers.reader import ImageSet
from cdpnet.errors import DataError
from cdpnet.io.files import read_text, regular_file

_FOLDERS: dict[ImageSet, str] = {"train": "trn", "val": "val"}
_MOST_BYTES = 2**26  # a list of a million images has about half of that


def read_lists(splits: Path, data: str, image_set: ImageSet, folds: Sequence[int], wanted: Sequence[int]) -> Pool:
    """The pool of the list files of some folds, in order: fold0.txt .. fold3.txt, or for COCO fold0.pkl .. fold3.pkl.

    They are in splits/val and splits/trn, or in these folders below one named as the data set. Every pair is eligible.
    DataError where a file is missing or broken, or names a class that is not ``wanted``.
    """
    folder, pairs = _find_folder(splits, data, image_set), []
    for fold in folds:
        path = folder / (f"fold{fold}.pkl" if data == "coco" else f"fold{fold}.txt")
        if not path.is_file():
            raise DataError(f"There is no list {path}; --splits takes the folder of list files in HSNet's format.")
        found = _read_pickle(path) if data == "coco" else _read_text_list(path)
        if not found:
            raise DataError(f"{path} lists no image; copy it again, or leave --splits out.")
        for image, number in found:
            if number not in wanted:
                raise DataError(f"{path} lists {image} for class {number}, which is not one of {list(wanted)}.")
        pairs += found
    return Pool(tuple(pairs), frozenset(pairs), tuple(wanted))


def _find_folder(splits: Path, data: str, image_set: ImageSet) -> Path:
    name = _FOLDERS[image_set]
    for folder in (splits / data / name, splits / name):
        if folder.is_dir():
            return folder
    raise DataError(
        f"There is neither {splits / data / name} nor {splits / name}; --splits takes the folder of list files in "
        "HSNet's format."
    )


def _read_text_list(path: Path) -> list[tuple[str, int]]:
    """Pairs of image and class from lines ``image__class``, the class counted from 1."""
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    pairs = []
    for line in lines:
        image, _, number = line.rpartition("__")
        if not image or not number.isdecimal():
            raise DataError(f"{path} holds the line {line[:60]!r}; a list has lines such as 2007_000033__01.")
        pairs.append((image, int(number)))
    return pairs


def _read_pickle(path: Path) -> list[tuple[str, int]]:
    """Pairs of image and class from a dictionary of class, counted from 0, to images."""
    content = regular_file(path, "a list", _MOST_BYTES).read_bytes()
    try:
        found = _plain_value(content)
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{path} is refused ({error}); a list is a pickle of plain lists and strings and nothing else."
        ) from None
    if not isinstance(found, dict) or not all(
        isinstance(number, int) and isinstance(images, list) and all(isinstance(p, str) for p in images)
        for number, images in found.items()
    ):
        raise DataError(f"{path} does not hold a dictionary of class number to a list of images.")
    return [(image, number + 1) for number, images in found.items() for image in images]


def _plain_value(content: bytes) -> object:
    """The dictionary, list, text or whole number in a pickle. Its operations are read here, and none calls anything.

    ValueError for any other operation, or, as IndexError, KeyError or TypeError, for operations that do not fit.
    """
    stack: list[object] = []
    marks: list[int] = []
    memo: dict[object, object] = {}
    for operation, value, _ in genops(content):
        match operation.name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "BININT" | "BININT1" | "BININT2" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(value)
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case "APPEND":
                _add_to(stack, len(stack) - 1)
            case "SETITEM":
                _add_to(stack, len(stack) - 2)
            case "APPENDS" | "SETITEMS":
                _add_to(stack, marks.pop())
            case "STOP":
                return stack.pop()
            case other:
                raise ValueError(f"it holds the operation {other}")
    raise ValueError("it is cut off")


def _add_to(stack: list[object], start: int) -> None:
    """Add the values from ``start`` on to the list or dictionary below them, to this as keys and values in turn."""
    container, values = stack[start - 1], stack[start:]
    del stack[start:]
    if isinstance(container, dict):
        container.update(zip(values[::2], values[1::2], strict=True))
    elif isinstance(container, list):
        container.extend(values)
    else:
        raise ValueError("it adds to a text or a number")
