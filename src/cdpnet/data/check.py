"""Is a data set on disk the one that the benchmarks mean? Counts, broken files, and the hash of every list."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cdpnet.data.episodes import default_length
from cdpnet.data.protocols.benchmark_episodes import BenchmarkEpisodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.readers.reader import Part
from cdpnet.errors import DataError

PARTS: tuple[Part, ...] = ("train", "val")
# Images of train and val that the benchmark has, by the data's name; COCO's depend on the year.
PUBLISHED: dict[str, tuple[dict[Part, int], ...]] = {
    "pascal": ({"train": 10582, "val": 1449},),
    "coco": ({"train": 82783, "val": 40504}, {"train": 118287, "val": 5000}),
    "fss": ({"train": 10000, "val": 10000},),
    "folder": (),
}
PUBLISHED_LINES = {"pascal": (346, 451, 725, 346)}  # of HSNet's test lists, image and class
_NAMED = 20  # broken files that are named


class CheckResult(NamedTuple):
    """A line of the report; ``fits`` is None where there is nothing to compare with."""

    what: str
    found: str
    expected: str = ""
    fits: bool | None = None


def check(data: DataOnDisk, shots: Sequence[int] = (1, 5)) -> Iterator[CheckResult]:
    """Look at all that a protocol will use. DataError where the folder is not a data set of this kind at all."""
    for part in PARTS:
        yield from _part(data, part)
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
        yield from (_list(data, fold, k) for k in shots)


def _part(data: DataOnDisk, part: Part) -> Iterator[CheckResult]:
    """The images of a part, counted and hashed, and those that cannot be used; or why there are none."""
    try:
        identifiers = data.reader.identifiers(part)
    except DataError as error:
        yield CheckResult(f"images of {part}", str(error), "", fits=False)
        return
    name = hashlib.sha256("\n".join(identifiers).encode()).hexdigest()[:24]
    published = [counts[part] for counts in PUBLISHED[data.config.data]]
    yield CheckResult(
        f"images of {part}",
        f"{len(identifiers):,} (list {name})",
        " or ".join(f"{count:,}" for count in dict.fromkeys(published)),
        len(identifiers) in published if published else None,
    )
    yield from _broken(data, part)


def _broken(data: DataOnDisk, part: Part) -> Iterator[CheckResult]:
    """The files that cannot be used, by name, up to `_NAMED` of them."""
    broken = data.index(part).broken
    for sentence in broken[:_NAMED]:
        yield CheckResult(f"broken in {part}", sentence, "", fits=False)
    if len(broken) > _NAMED:
        yield CheckResult(f"broken in {part}", f"and {len(broken) - _NAMED:,} more", "", fits=False)


def _list(data: DataOnDisk, fold: int, shots: int) -> CheckResult:
    """The hash of a protocol's list of episodes, or why there is none."""
    count, seeds = default_length(data.config)
    what = f"fold {fold}, {shots}-shot: list of {count:,} episodes, seed {seeds[0]}"
    try:
        episodes = BenchmarkEpisodes(fold, shots, "test", seeds[0], data=data)
        return CheckResult(what, episodes.list_sha256(count)[:24])
    except DataError as error:
        return CheckResult(what, str(error), "", fits=False)
