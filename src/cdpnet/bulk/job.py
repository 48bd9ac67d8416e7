"""A folder of images as a job: labels for all, whatever stops it in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdpnet.bulk import engines
from cdpnet.bulk.journal import FILE, Journal, Record
from cdpnet.bulk.labeller import SHEET, WINDOW, Labeller, thumbnail_file, write_error
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.io.files import refuse_a_file, refuse_to_replace, remove_leftovers
from cdpnet.io.images import find_images
from cdpnet.labels.formats import FORMATS, PNG_FOLDER
from cdpnet.labels.regions import ImageLabels
from cdpnet.network.checkpoint import sha256_of

Engine = Callable[[Labeller, Iterable[engines.Window]], Iterator[list[Record]]]
PAGE = "index.html"


@dataclass(frozen=True)
class Done:
    """What a job came to: its images in order, and its journal."""

    images: Sequence[str]
    journal: Journal

    @property
    def broken(self) -> dict[str, str]:
        """The images that could not be read, with the reason."""
        return self.journal.broken(self.images)


def run(
    labeller: Labeller,
    engine: Engine,
    report: Callable[[int, int], object] = lambda *_: None,
    *,
    overwrite: bool,
    inputs: Sequence[Path] = (),
) -> Done:
    """Label the images of a folder; what an earlier run has done is kept.

    report: hears how many images are done, and of how many. inputs: other files that are read, which no label may
    replace. ConfigError and DataError for a folder that cannot be labelled or written to; nothing is lost then.
    """
    target = labeller.target
    images = [
        path.relative_to(target.images).as_posix()
        for path in find_images(target.images, deep=True, without=_own_folders(target.out))
    ]
    _look_before(labeller, images, inputs, overwrite=overwrite)
    try:
        if overwrite:
            (target.out / FILE).unlink(missing_ok=True)
        journal = Journal(target.out, _settings(labeller))
        outputs = {FILE, *_outputs(labeller, images)}
        remove_leftovers(target.out, outputs)
        _label_rest(labeller, engine, images, journal, report)
        remove_leftovers(target.out, outputs)  # of a worker that was killed while the job went on
        journal.sort(images)

        def everything() -> Iterator[ImageLabels]:
            return (record.labelled for record in journal.records(images))

        FORMATS[labeller.format_name].finish(everything, target)
    except OSError as error:
        raise DataError(write_error(target.out, error)) from None
    return Done(images, journal)


def _label_rest(
    labeller: Labeller, engine: Engine, images: Sequence[str], journal: Journal, report: Callable[[int, int], object]
) -> None:
    """Label every window that has something left to do, whole, so that batches are those of a job without a stop."""
    windows = [images[start : start + WINDOW] for start in range(0, len(images), WINDOW)]
    left = [window for window in windows if not all(journal.is_done(image) for image in window)]
    done = sum(journal.is_done(image) for image in images)
    report(done, len(images))
    for records in engine(labeller, left):
        new = [record for record in records if not journal.is_done(record.labelled.image)]
        journal.add(new)
        done += len(new)
        report(done, len(images))


def _look_before(labeller: Labeller, images: Sequence[str], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """DataError where a label would replace a file that is read, or one that no job of ours has written."""
    out = labeller.target.out
    refuse_a_file(out)
    if not out.exists():
        return
    read = {path.resolve() for path in (*inputs, *(labeller.target.images / image for image in images))}
    goes_on = (out / FILE).exists()
    for name in _outputs(labeller, images):
        refuse_to_replace(out / name, read=read, overwrite=overwrite or goes_on)


def _outputs(labeller: Labeller, images: Iterable[str]) -> Iterator[str]:
    """All files that the job writes, below the folder of labels, but its journal."""
    chosen = FORMATS[labeller.format_name]
    yield from (PAGE, *chosen.files)
    for image in images:
        yield thumbnail_file(image)
        if chosen.file_of is not None:
            yield chosen.file_of(image)


def _own_folders(out: Path) -> tuple[Path, ...]:
    """Folders whose images are ours, should labels and images lie in one folder."""
    return out, out / SHEET, out / PNG_FOLDER


def _settings(labeller: Labeller) -> dict[str, Any]:
    """All that decides what the labels are."""
    return {
        "format": labeller.format_name,
        "images": str(labeller.target.images.resolve()),
        "classes": [[learned.name, _sha256(learned)] for learned in labeller.classes],
        "model": list(labeller.segmenter.model),
        "precision": labeller.segmenter.precision,
        "threshold": labeller.threshold,
        "presence": labeller.min_presence,
        "working size": labeller.segmenter.preprocessing.longest_side,
        "tiles above": labeller.segmenter.preprocessing.tiles_above,
    }


def _sha256(learned: ClassPrototype) -> str:
    tensors = {"background": learned.background, "foreground": learned.foreground, **(learned.fusion or {})}
    return sha256_of(tensors if learned.text is None else {**tensors, "text": learned.text})
