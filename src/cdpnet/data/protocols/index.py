"""What every image of a data set shows, read once and kept in a cache folder that is not the user's."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdpnet.data.readers.reader import DatasetReader, Part
from cdpnet.errors import DataError
from cdpnet.io.files import atomic
from cdpnet.io.images import read_image


@dataclass(frozen=True)
class Index:
    """The images that can be used: sizes (n, 2), height and width; areas (n, classes), pixels of each class.

    broken: a sentence for each image that cannot be used.
    """

    identifiers: tuple[str, ...]
    sizes: NDArray[np.int64]
    areas: NDArray[np.int64]
    broken: tuple[str, ...]


class _Measured(NamedTuple):
    size: tuple[int, int]
    areas: NDArray[np.int64]


def build_index(
    data: DatasetReader,
    part: Part,
    *,
    skip_broken: bool = False,
    report: Callable[[int, int], object] | None = None,
) -> Index:
    """The index of a part, from the cache or made anew, several images at a time.

    Every image is decoded once, so that a broken one is found now and not in the middle of a training.
    report: told images done and all. DataError for an image that cannot be used, unless ``skip_broken``.
    """
    path = cache_folder() / f"{_fingerprint(data, part)}.npz"
    index = _load(path)
    if index is None:
        index = _measure_all(data, part, report)
        with suppress(OSError):  # a cache that cannot be written costs time only
            _store(index, path)
    if index.broken and not skip_broken:
        others = len(index.broken) - 1
        more = f" ({others:,} more cannot be used either)" if others else ""
        raise DataError(f"{index.broken[0].rstrip('.')}{more}; --skip_broken true goes on without.")
    return index


def cache_folder() -> Path:
    """$CDPNET_CACHE/index, or in the user's cache folder."""
    own = os.environ.get("CDPNET_CACHE")
    if own:
        return Path(own) / "index"
    general = os.environ.get("XDG_CACHE_HOME")
    return (Path(general) if general else Path.home() / ".cache") / "cdpnet" / "index"


def _measure_all(data: DatasetReader, part: Part, report: Callable[[int, int], object] | None) -> Index:
    identifiers = data.identifiers(part)
    good, measured, broken = [], [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding lets go of the interpreter
        results = pool.map(lambda identifier: _measure(data, part, identifier), identifiers)
        for done, (identifier, result) in enumerate(zip(identifiers, results, strict=True), start=1):
            if isinstance(result, str):
                broken.append(result)
            else:
                good.append(identifier)
                measured.append(result)
            if report is not None:
                report(done, len(identifiers))
    n_classes = len(data.class_names)
    return Index(
        tuple(good),
        np.array([m.size for m in measured], np.int64).reshape(-1, 2),
        np.array([m.areas for m in measured], np.int64).reshape(-1, n_classes),
        tuple(broken),
    )


def _measure(data: DatasetReader, part: Part, identifier: str) -> _Measured | str:
    """Size and areas of an image, or why it cannot be used."""
    try:
        path = data.image(part, identifier)
        height, width = read_image(path).shape[1:]
        labels = data.labels(part, identifier)
        if labels.shape != (height, width):
            raise DataError(
                f"The mask of {path} is {labels.shape[1]} x {labels.shape[0]} pixels and the image {width} x "
                f"{height}; a mask has the size of its image."
            )
    except (DataError, OSError) as error:
        return str(error)
    counted = np.bincount(labels[labels > 0], minlength=len(data.class_names) + 1)
    return _Measured((height, width), counted[1:])


def _fingerprint(data: DatasetReader, part: Part) -> str:
    """Changes when a file of the part does: names, sizes and times of all of them, and the classes."""
    total = hashlib.sha256(f"1 {type(data).__name__} {data.root.resolve()} {part} {data.class_names}".encode())
    images = [data.image(part, identifier) for identifier in data.identifiers(part)]
    for path in (*data.sources(part), *images):
        try:
            about = path.stat()
            total.update(f"{path}\n{about.st_size} {about.st_mtime_ns}\n".encode())
        except OSError:
            total.update(f"{path}\nabsent\n".encode())
    return total.hexdigest()


def _store(index: Index, path: Path) -> None:
    said = json.dumps([index.identifiers, index.broken]).encode()
    with atomic(path) as temporary:
        np.savez_compressed(temporary, sizes=index.sizes, areas=index.areas, said=np.frombuffer(said, np.uint8))


def _load(path: Path) -> Index | None:
    """None where there is none, or one that cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            identifiers, broken = json.loads(stored["said"].tobytes())
            return Index(tuple(identifiers), stored["sizes"], stored["areas"], tuple(broken))
    except Exception:  # a damaged file can raise nearly anything, and is made again
        return None
