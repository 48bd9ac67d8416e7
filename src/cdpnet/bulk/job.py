"""A folder of pictures as a job: labels for all, whatever stops it in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdpnet.bulk import engines
from cdpnet.bulk.journal import FILE, Journal, Record
from cdpnet.bulk.labeller import SHEET, WINDOW, Labeller, cannot_write, small_file
from cdpnet.classes import ClassPrototype
from cdpnet.errors import DataError
from cdpnet.files import refuse_a_file, refuse_to_replace, remove_leftovers
from cdpnet.labels.formats import FORMATS, PNG_FOLDER
from cdpnet.labels.regions import Labelled
from cdpnet.network.checkpoint import sha256_of
from cdpnet.pictures import pictures_in

Engine = Callable[[Labeller, Iterable[engines.Window]], Iterator[list[Record]]]
PAGE = "index.html"


@dataclass(frozen=True)
class Done:
    """What a job came to: its pictures in order, and its journal."""

    pictures: Sequence[str]
    journal: Journal

    @property
    def broken(self) -> dict[str, str]:
        """The pictures that could not be read, with the reason."""
        return self.journal.broken(self.pictures)


def run(
    labeller: Labeller,
    engine: Engine,
    report: Callable[[int, int], object] = lambda *_: None,
    *,
    overwrite: bool,
    inputs: Sequence[Path] = (),
) -> Done:
    """Label the pictures of a folder; what an earlier run has done is kept.

    report: hears how many pictures are done, and of how many. inputs: other files that are read, which no label may
    replace. ConfigError and DataError for a folder that cannot be labelled or written to; nothing is lost then.
    """
    target = labeller.target
    pictures = [
        path.relative_to(target.pictures).as_posix()
        for path in pictures_in(target.pictures, deep=True, without=_own_folders(target.out))
    ]
    _look_before(labeller, pictures, inputs, overwrite=overwrite)
    try:
        if overwrite:
            (target.out / FILE).unlink(missing_ok=True)
        journal = Journal(target.out, _settings(labeller))
        outputs = {FILE, *_outputs(labeller, pictures)}
        remove_leftovers(target.out, outputs)
        _label_rest(labeller, engine, pictures, journal, report)
        remove_leftovers(target.out, outputs)  # of a worker that was killed while the job went on
        journal.sort(pictures)

        def everything() -> Iterator[Labelled]:
            return (record.labelled for record in journal.records(pictures))

        FORMATS[labeller.format_name].finish(everything, target)
    except OSError as error:
        raise DataError(cannot_write(target.out, error)) from None
    return Done(pictures, journal)


def _label_rest(
    labeller: Labeller, engine: Engine, pictures: Sequence[str], journal: Journal, report: Callable[[int, int], object]
) -> None:
    """Label every window that has something left to do, whole, so that batches are those of a job without a stop."""
    windows = [pictures[start : start + WINDOW] for start in range(0, len(pictures), WINDOW)]
    left = [window for window in windows if not all(journal.is_done(picture) for picture in window)]
    done = sum(journal.is_done(picture) for picture in pictures)
    report(done, len(pictures))
    for records in engine(labeller, left):
        new = [record for record in records if not journal.is_done(record.labelled.picture)]
        journal.add(new)
        done += len(new)
        report(done, len(pictures))


def _look_before(labeller: Labeller, pictures: Sequence[str], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """DataError where a label would replace a file that is read, or one that no job of ours has written."""
    out = labeller.target.out
    refuse_a_file(out)
    if not out.exists():
        return
    read = {path.resolve() for path in (*inputs, *(labeller.target.pictures / picture for picture in pictures))}
    goes_on = (out / FILE).exists()
    for name in _outputs(labeller, pictures):
        refuse_to_replace(out / name, read=read, overwrite=overwrite or goes_on)


def _outputs(labeller: Labeller, pictures: Iterable[str]) -> Iterator[str]:
    """All files that the job writes, below the folder of labels, but its journal."""
    chosen = FORMATS[labeller.format_name]
    yield from (PAGE, *chosen.files)
    for picture in pictures:
        yield small_file(picture)
        if chosen.file_of is not None:
            yield chosen.file_of(picture)


def _own_folders(out: Path) -> tuple[Path, ...]:
    """Folders whose pictures are ours, should labels and pictures lie in one folder."""
    return out, out / SHEET, out / PNG_FOLDER


def _settings(labeller: Labeller) -> dict[str, Any]:
    """All that decides what the labels are."""
    return {
        "format": labeller.format_name,
        "pictures": str(labeller.target.pictures.resolve()),
        "classes": [[learned.name, _sha256(learned)] for learned in labeller.classes],
        "model": list(labeller.segmenter.model),
        "precision": labeller.segmenter.precision,
        "threshold": labeller.threshold,
        "presence": labeller.least_presence,
        "working size": labeller.segmenter.sight.longest_side,
        "tiles above": labeller.segmenter.sight.tiles_above,
    }


def _sha256(learned: ClassPrototype) -> str:
    tensors = {"background": learned.background, "foreground": learned.foreground, **(learned.fusion or {})}
    return sha256_of(tensors if learned.text is None else {**tensors, "text": learned.text})
