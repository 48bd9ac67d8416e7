"""Label a folder of images as a job that can be stopped at any time and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdpnet.bulk.engines import Window
from cdpnet.bulk.journal import FILE, JobSettings, Journal, JournalRecord
from cdpnet.bulk.labeller import THUMBNAILS, WINDOW_SIZE, Labeller, disk_error, thumbnail_file
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.io.files import check_out_folder, real_path, refuse_to_replace, remove_leftovers
from cdpnet.io.images import find_images
from cdpnet.labels import png_folder
from cdpnet.labels.formats import FORMATS, write_shared_files
from cdpnet.labels.regions import ImageLabels
from cdpnet.network.checkpoint import sha256_of

Engine = Callable[[Labeller, Iterable[Window]], Iterator[list[JournalRecord]]]
Progress = Callable[[int, int], object]  # called with the number of finished images and the number of all images
PAGE = "index.html"


@dataclass(frozen=True)
class JobResult:
    """A finished job: the paths of its images in order, below the folder of images, and its journal."""

    images: Sequence[str]
    journal: Journal

    @property
    def failed(self) -> dict[str, str]:
        """The images that could not be read, with the reason."""
        return self.journal.failed(self.images)


def run_job(
    labeller: Labeller,
    engine: Engine,
    progress: Progress = lambda *_: None,
    *,
    overwrite: bool,
    inputs: Sequence[Path] = (),
) -> JobResult:
    """Label all images of a folder; images that an earlier run finished are skipped.

    engine: `label_locally` or `label_with_ray`. overwrite: replace the labels of an earlier run. inputs: other files
    that are read, which no label may replace. ConfigError and DataError for a folder that cannot be labelled or
    written to; finished images stay finished then.
    """
    target = labeller.target
    images = [
        path.relative_to(target.images).as_posix()
        for path in find_images(target.images, deep=True, without=_output_folders(target.out))
    ]
    _check_outputs(labeller, images, inputs, overwrite=overwrite)
    try:
        if overwrite:
            (target.out / FILE).unlink(missing_ok=True)
        journal = Journal(target.out, _settings(labeller))
        outputs = {FILE, *_output_files(labeller, images)}
        remove_leftovers(target.out, outputs)
        _label_unfinished(labeller, engine, images, journal, progress)
        remove_leftovers(target.out, outputs)  # of a worker that was killed during the job
        journal.sort(images)

        def read_all() -> Iterator[ImageLabels]:
            return (record.labels for record in journal.records(images))

        write_shared_files(read_all, target, labeller.format_name)
    except OSError as error:
        raise DataError(disk_error(target.out, error)) from None
    return JobResult(images, journal)


def _label_unfinished(
    labeller: Labeller, engine: Engine, images: Sequence[str], journal: Journal, progress: Progress
) -> None:
    """Label every window with an unfinished image as a whole, so that batches equal those of an unstopped job."""
    windows = [images[start : start + WINDOW_SIZE] for start in range(0, len(images), WINDOW_SIZE)]
    unfinished = [window for window in windows if not all(journal.is_done(image) for image in window)]
    done = sum(journal.is_done(image) for image in images)
    progress(done, len(images))
    for records in engine(labeller, unfinished):
        new = [record for record in records if not journal.is_done(record.labels.image)]
        journal.add(new)
        done += len(new)
        progress(done, len(images))


def _check_outputs(labeller: Labeller, images: Sequence[str], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """DataError where a label would replace a file that is read, or one that no labelling job has written."""
    out = labeller.target.out
    check_out_folder(out)
    if not out.exists():
        return
    read = {real_path(path) for path in (*inputs, *(labeller.target.images / image for image in images))}
    resumed = (out / FILE).exists()
    for name in _output_files(labeller, images):
        refuse_to_replace(out / name, read=read, overwrite=overwrite or resumed)


def _output_files(labeller: Labeller, images: Iterable[str]) -> Iterator[str]:
    """All files that the job writes except its journal, below the folder of labels."""
    label_format = FORMATS[labeller.format_name]
    yield from (PAGE, *label_format.shared_files)
    for image in images:
        yield thumbnail_file(image)
        if label_format.image_file is not None:
            yield label_format.image_file(image)


def _output_folders(out: Path) -> tuple[Path, ...]:
    """Folders that hold images written by the job, which are not labelled if they lie in the folder of images."""
    return out, out / THUMBNAILS, out / png_folder.FOLDER


def _settings(labeller: Labeller) -> JobSettings:
    segmenter = labeller.segmenter
    return JobSettings(
        label_format=labeller.format_name,
        images=str(labeller.target.images.resolve()),
        classes=tuple((learned.name, _sha256(learned)) for learned in labeller.classes),
        model=segmenter.model,
        precision=segmenter.precision,
        threshold=labeller.threshold,
        min_presence=labeller.min_presence,
        working_size=segmenter.preprocessing.longest_side,
        tiles_above=segmenter.preprocessing.tiles_above,
        refine=segmenter.refine,
    )


def _sha256(learned: ClassPrototype) -> str:
    tensors = {"background": learned.background, "foreground": learned.foreground, **(learned.fusion or {})}
    return sha256_of(tensors if learned.text is None else {**tensors, "text": learned.text})
