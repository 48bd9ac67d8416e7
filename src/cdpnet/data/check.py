"""Check whether a data set on disk is the one that the benchmarks use: counts, broken files, hashes of all lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cdpnet.data.episodes import default_length
from cdpnet.data.protocols.benchmark_episodes import BenchmarkEpisodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.readers.reader import ImageSet
from cdpnet.errors import DataError
from cdpnet.runtime.text import encode, listed

# Number of images of the benchmarks, by the name of the data set; COCO's depends on the year.
PUBLISHED: dict[str, tuple[dict[ImageSet, int], ...]] = {
    "pascal": ({"train": 10582, "val": 1449},),
    "coco": ({"train": 82783, "val": 40504}, {"train": 118287, "val": 5000}),
    "fss": ({"train": 10000, "val": 10000},),
}
PUBLISHED_LINES = {"pascal": (346, 451, 725, 346)}  # lines of HSNet's test lists, by fold
_MOST_NAMED = 20  # broken files, or classes, that are named


class CheckResult(NamedTuple):
    """One line of the report. expected: the published value. fits: None where there is nothing to compare with."""

    what: str
    found: str
    expected: str = ""
    fits: bool | None = None


def check(data: DataOnDisk, shots: Sequence[int] = (1, 5)) -> Iterator[CheckResult]:
    """Check everything that a protocol uses. DataError where the folder is not a data set of this kind at all."""
    for image_set in data.reader.image_sets:
        yield from _check_images(data, image_set)
    for fold in range(data.config.n_folds):
        try:
            pool = data.pool("test", fold)
        except DataError as error:
            yield CheckResult(f"fold {fold}", str(error), "", fits=False)
            continue
        lines = PUBLISHED_LINES.get(data.config.data) if data.config.splits else None
        expected = f"{lines[fold]:,}" if lines else ""
        fits = len(pool.pairs) == lines[fold] if lines else None
        yield CheckResult(f"fold {fold}: pairs of image and novel class", f"{len(pool.pairs):,}", expected, fits)
        yield from (_check_list(data, fold, k) for k in shots)


def _check_images(data: DataOnDisk, image_set: ImageSet) -> Iterator[CheckResult]:
    """The images of an image set, counted and hashed, and those that cannot be used; or why there are none."""
    try:
        identifiers = data.reader.identifiers(image_set)
    except DataError as error:
        yield CheckResult(f"images of {image_set}", str(error), "", fits=False)
        return
    list_hash = hashlib.sha256(encode("\n".join(identifiers))).hexdigest()[:24]
    published = [counts[image_set] for counts in PUBLISHED.get(data.config.data, ())]
    yield CheckResult(
        f"images of {image_set}",
        f"{len(identifiers):,} (list {list_hash})",
        " or ".join(f"{count:,}" for count in dict.fromkeys(published)),
        len(identifiers) in published if published else None,
    )
    yield from _name_broken(data, image_set)
    yield _count_of_classes(data, image_set)


def _count_of_classes(data: DataOnDisk, image_set: ImageSet) -> CheckResult:
    """The images that show each class, of the first `_MOST_NAMED` of the classes that the fewest show."""
    counts = (data.index(image_set).areas > 0).sum(axis=0).tolist()
    ranked = sorted(zip(counts, data.reader.class_names, strict=True), key=lambda pair: pair[0])
    shown = listed([f"{name} ({count:,})" for count, name in ranked], _MOST_NAMED)
    return CheckResult(f"images of each class of {image_set}, the fewest first", shown)


def _name_broken(data: DataOnDisk, image_set: ImageSet) -> Iterator[CheckResult]:
    """The files that cannot be used, by name, up to `_MOST_NAMED` of them."""
    broken = data.index(image_set).broken
    for sentence in broken[:_MOST_NAMED]:
        yield CheckResult(f"broken in {image_set}", sentence, "", fits=False)
    if len(broken) > _MOST_NAMED:
        yield CheckResult(f"broken in {image_set}", f"and {len(broken) - _MOST_NAMED:,} more", "", fits=False)


def _check_list(data: DataOnDisk, fold: int, shots: int) -> CheckResult:
    """The hash of the list of test episodes, or why there is none."""
    count, seeds = default_length(data.config)
    what = f"fold {fold}, {shots}-shot: list of {count:,} episodes, seed {seeds[0]}"
    try:
        episodes = BenchmarkEpisodes(fold, shots, "test", seeds[0], data=data)
        return CheckResult(what, episodes.list_sha256(count)[:24])
    except DataError as error:
        return CheckResult(what, str(error), "", fits=False)
