"""Match the images that label files name, by paths and addresses of other machines, to files on this one."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from cdpnet.io.fields import FieldError
from cdpnet.runtime.text import alternatives

Parts = tuple[str, ...]
_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file
_NOT_KEPT = re.compile(r"[^-\w.]")  # characters that its web framework, Django, leaves out of the name


class _Fit(NamedTuple):
    """How well a name fits a file; of two fits the greater is better."""

    tail: int
    """Parts at the end that are equal but for upper and lower case."""
    is_relative: bool
    """Whether the name is the path of the file below the folder of images."""
    exact: int
    """Parts at the end that are equal."""


def match_images(names: Iterable[str], images: Sequence[Path], folder: Path) -> dict[str, Path]:
    r"""The image of each name in a label file that has one; of several that may be meant, that with the longest tail.

    names: paths or addresses, absolute or not, with ``/`` or ``\``, ``%20``, ``file://``, ``?d=``, or the prefix of an
    upload, ``ab12cd34-``. The end of a path that a name and a file have in common is its tail; there is no match
    without a common file name. images: the files that may be meant; folder: that of the images, which relative names
    start from.

    FieldError, naming the candidates, where several files fit a name equally well, or several names one file.
    """
    index = _index(images)
    found: dict[str, tuple[Path, _Fit]] = {}
    for name in dict.fromkeys(names):
        for parts in readings(name):
            fits = [(path, _fit(parts, path, folder)) for path in index.get(key(parts[-1]), ())]
            if fits:
                best = max(fit for _, fit in fits)
                candidates = [path for path, fit in fits if fit == best]
                if len(candidates) > 1:
                    raise FieldError(
                        f"{name} may be {alternatives(candidates)}; give the folder of the one that is meant"
                    )
                found[name] = candidates[0], best
                break
    return _without_rivals(found)


def readings(name: str) -> Iterator[Parts]:
    r"""What a name in a label file may mean, as parts of a path: in a local storage, as written, then decoded.

    Parts end at ``/`` and ``\``, and last at ``/`` alone, since the name of a file may hold a ``\``.
    """
    seen = set()
    for separators in (r"[/\\]", "/"):
        for text in _texts(name):
            parts = tuple(part for part in re.split(separators, text) if part not in ("", "."))
            for reading in (parts, _without_upload_prefix(parts)):
                if reading and reading not in seen:
                    seen.add(reading)
                    yield reading


def _texts(name: str) -> Iterator[str]:
    try:
        address = urlsplit(name)
        asked = parse_qs(address.query).get("d", [])
    except ValueError:
        raise FieldError("the address of an image is not an address") from None
    yield from asked  # the path in a local storage of Label Studio; of the whole address only its last part is one
    yield name
    for path in (*asked, address.path, name):
        yield unquote(path)


def _without_upload_prefix(parts: Parts) -> Parts:
    if not parts or not (prefix := _UPLOAD.match(parts[-1])):
        return ()
    return (*parts[:-1], parts[-1][prefix.end() :])


def _index(images: Sequence[Path]) -> dict[str, list[Path]]:
    """The files by name, and by the name that they get when they are uploaded."""
    index: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        uploaded = _NOT_KEPT.sub("", path.name.replace(" ", "_"))
        for name in {key(path.name), key(uploaded)}:
            index[name].append(path)
    return index


def _fit(parts: Parts, path: Path, folder: Path) -> _Fit:
    of_file = Path(os.path.abspath(path)).parts  # noqa: PTH100 - links stay as they are named
    tail = 1 + common_tail([key(part) for part in parts[:-1]], [key(part) for part in of_file[:-1]])
    relative = path.relative_to(folder).parts if path.is_relative_to(folder) else (path.name,)
    return _Fit(tail, parts == relative, common_tail(parts, of_file))


def common_tail(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts at the end of two paths are equal."""
    length = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        length += 1
    return length


def _without_rivals(found: dict[str, tuple[Path, _Fit]]) -> dict[str, Path]:
    """The matches without names that fit a file worse than another name does."""
    by_path: dict[Path, list[tuple[str, _Fit]]] = defaultdict(list)
    for name, (path, fit) in found.items():
        by_path[path].append((name, fit))
    matches = {}
    for path, rivals in by_path.items():
        best = max(fit for _, fit in rivals)
        names = [name for name, fit in rivals if fit == best]
        if len({next(iter(readings(name))) for name in names}) > 1:
            raise FieldError(f"{alternatives(names)} may all be {path}; give a folder in which each has its image")
        matches.update(dict.fromkeys(names, path))
    return {name: matches[name] for name in found if name in matches}


def key(part: str) -> str:
    """A part of a path without what file systems differ in: upper and lower case, composed and decomposed letters."""
    return unicodedata.normalize("NFC", part).casefold()
