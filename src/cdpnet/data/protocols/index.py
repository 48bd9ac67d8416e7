"""The index of a data set: size of every image and area of every class in it, computed once and cached on disk."""

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

from cdpnet.data.readers.reader import DatasetReader, ImageSet, check_label_size
from cdpnet.errors import DataError
from cdpnet.io.files import atomic, regular_file
from cdpnet.io.image_tensors import read_image
from cdpnet.runtime.text import encode


@dataclass(frozen=True)
class Index:
    """The n images that can be used. sizes (n, 2): height and width. areas (n, classes): pixels of each class.

    broken: for each image that cannot be used, a sentence that says why. content: SHA-256 of image files and labels.
    """

    identifiers: tuple[str, ...]
    sizes: NDArray[np.int64]
    areas: NDArray[np.int64]
    broken: tuple[str, ...]
    content: str


class _Measured(NamedTuple):
    size: tuple[int, int]
    areas: NDArray[np.int64]
    content: bytes


def build_index(
    data: DatasetReader,
    image_set: ImageSet,
    *,
    skip_broken: bool = False,
    report: Callable[[int, int], object] | None = None,
) -> Index:
    """The index of an image set, from the cache, or built from several images at a time.

    Every image is decoded once, so that a broken one is found now and not in the middle of a training.
    report: called with the number of images done and of all. DataError for an image that cannot be used, unless
    ``skip_broken``.
    """
    path = cache_folder() / f"{_fingerprint(data, image_set)}.npz"
    index = _load(path)
    if index is None:
        index = _measure_all(data, image_set, report)
        with suppress(OSError):  # a cache that cannot be written costs time only
            _store(index, path)
    if index.broken and not skip_broken:
        others = len(index.broken) - 1
        more = f" ({others:,} more cannot be used either)" if others else ""
        raise DataError(f"{index.broken[0].rstrip('.')}{more}; --skip-broken true goes on without.")
    return index


def cache_folder() -> Path:
    """The folder $CDPNET_CACHE/index, or by default cdpnet/index in the user's cache folder."""
    own = os.environ.get("CDPNET_CACHE")
    if own:
        return Path(own) / "index"
    general = os.environ.get("XDG_CACHE_HOME")
    return (Path(general) if general else Path.home() / ".cache") / "cdpnet" / "index"


def _measure_all(data: DatasetReader, image_set: ImageSet, report: Callable[[int, int], object] | None) -> Index:
    identifiers = data.identifiers(image_set)
    good, measured, broken = [], [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases the interpreter lock
        results = pool.map(lambda identifier: _measure(data, image_set, identifier), identifiers)
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
        np.array([m.areas for m in measured], np.int64).reshape(len(measured), n_classes),
        tuple(broken),
        hashlib.sha256(b"".join(m.content for m in measured)).hexdigest(),
    )


def _measure(data: DatasetReader, image_set: ImageSet, identifier: str) -> _Measured | str:
    """Size and areas of an image, or a sentence that says why it cannot be used."""
    try:
        path = data.image_path(image_set, identifier)
        height, width = read_image(path).shape[1:]
        labels = data.labels(image_set, identifier)
        check_label_size(path, labels.shape, (height, width))
    except (DataError, OSError) as error:
        return str(error)
    counted = np.bincount(labels[labels > 0], minlength=len(data.class_names) + 1)
    return _Measured((height, width), counted[1:], hashlib.sha256(path.read_bytes() + labels.tobytes()).digest())


def _fingerprint(data: DatasetReader, image_set: ImageSet) -> str:
    """A hash of the classes and of the name, size and time of every file; it changes when a file does."""
    total = hashlib.sha256(encode(f"2 {type(data).__name__} {data.root.resolve()} {image_set} {data.class_names}"))
    images = [data.image_path(image_set, identifier) for identifier in data.identifiers(image_set)]
    for path in (*data.label_files(image_set), *images):
        try:
            status = path.stat()
            total.update(encode(f"{path}\n{status.st_size} {status.st_mtime_ns}\n"))
        except (OSError, ValueError):  # ValueError: a character that no path can hold
            total.update(encode(f"{path}\nabsent\n"))
    return total.hexdigest()


def _store(index: Index, path: Path) -> None:
    text = json.dumps([index.identifiers, index.broken, index.content]).encode()
    with atomic(path) as temporary:
        np.savez_compressed(temporary, sizes=index.sizes, areas=index.areas, said=np.frombuffer(text, np.uint8))


def _load(path: Path) -> Index | None:
    """The index in a cache file; None where there is none, or one that cannot be read."""
    try:
        with np.load(regular_file(path), allow_pickle=False) as stored:
            identifiers, broken, content = json.loads(stored["said"].tobytes())
            return Index(tuple(identifiers), stored["sizes"], stored["areas"], tuple(broken), content)
    except Exception:  # a damaged file can raise nearly anything; the index is built again
        return None
