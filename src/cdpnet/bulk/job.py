"""Label a folder of images as a job that can be stopped at any time and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch

from cdpnet.bulk.engines import Engine, Window
from cdpnet.bulk.forecast import large_images
from cdpnet.bulk.journal import JobSettings, Journal, JournalRecord
from cdpnet.bulk.labeller import WINDOW_SIZE, Labeller, disk_error
from cdpnet.bulk.resume import find_differences
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.io.files import check_out_folder, real_path, refuse_to_replace, remove_leftovers, write_text
from cdpnet.io.images import note_others, scan_images
from cdpnet.io.label_folders import JOURNAL, THUMBNAILS
from cdpnet.io.locks import locked
from cdpnet.labels import png_folder
from cdpnet.labels.formats import FORMATS, check_classes, unfit_name, write_shared_files
from cdpnet.labels.image_copies import check_places
from cdpnet.labels.label_places import check_folders, find_clashes
from cdpnet.labels.regions import ImageLabels
from cdpnet.network.checkpoint import sha256_of
from cdpnet.runtime.text import escape

Progress = Callable[[int, int, int], object]  # called with the numbers of images finished, all, and failed in this run
PAGE, FAILED_FILE, TRUTH_PAGE = "index.html", "failed.txt", "truth.html"


@dataclass(frozen=True)
class JobResult:
    """A finished job: the paths of its images in order, below the folder of images, and its journal.

    unusable: the images that could not even be begun, with the reason.
    """

    images: Sequence[str]
    journal: Journal
    unusable: Mapping[str, str]

    @property
    def n_images(self) -> int:
        """How many images the folder has."""
        return len(self.images) + len(self.unusable)

    @property
    def failed(self) -> dict[str, str]:
        """The images that could not be labelled, with the reason; both can be printed."""
        failed = {**self.journal.failed(self.images), **self.unusable}
        return {escape(image): escape(reason) for image, reason in failed.items()}


def run_job(
    labeller: Labeller,
    engine: Engine,
    progress: Progress = lambda *_: None,
    *,
    overwrite: bool,
    inputs: Sequence[Path] = (),
    marks: Sequence[Path] = (),
    strict: bool = False,
    shown: Callable[[str], str] = str,
    report: Callable[[str], object] = id,
    finish: Callable[[JobResult], object] = id,
) -> JobResult:
    """Label all images of a folder; images that an earlier run finished, and that did not change, are skipped.

    engine: `label_locally` or `label_with_ray`. overwrite: replace the labels of an earlier run. inputs: other files
    that are read, which no label may replace. marks: those among them that are no images to label. strict: DataError
    for the first image that cannot be labelled; otherwise such images are in the result and in failed.txt. shown: a
    path, or a sentence with paths, as people and the journal get it. report: called with what a resumed job finds, and
    which images are large, in words. finish: called with the result while the folder of labels is still held, so that
    no other job writes to it.
    ConfigError and DataError for a folder that cannot be labelled or written to, or that another job writes to;
    finished images stay finished then.
    """
    target = labeller.target
    check_classes(target.classes, labeller.format_name)
    images, unusable = _find_images(labeller, marks, shown, strict=strict)
    check_out_folder(target.out)
    try:
        with locked(target.out):
            _check_outputs(labeller, images, inputs, overwrite=overwrite)
            if overwrite:
                (target.out / JOURNAL).unlink(missing_ok=True)
            journal = Journal(target.out, _settings(labeller, shown))
            remove_leftovers(target.out, _written_files(labeller, images))
            if journal.is_resumed:
                _compare(labeller, images, journal, report)
            if sentence := large_images(target.images / image for image in images if not journal.is_done(image)):
                report(sentence)
            for records in _label_unfinished(labeller, engine, images, journal, progress, shown):
                if strict:
                    _refuse_failed(records)
            journal.sort(images)
            result = JobResult(images, journal, unusable)
            _write_about_all(result, labeller)
            finish(result)
    except BrokenPipeError:  # of what it reports, not of the disk
        raise
    except OSError as error:
        raise DataError(disk_error(target.out, error)) from None
    return result


def _find_images(
    labeller: Labeller, marks: Sequence[Path], shown: Callable[[str], str], *, strict: bool
) -> tuple[list[str], dict[str, str]]:
    """The images by their paths below the folder, and those that cannot be begun, with the reason.

    DataError where there are some of these and ``strict``, or only such.
    """
    folder, out = labeller.target.images, labeller.target.out
    found = scan_images(folder, deep=True, without=(*_output_folders(out), *marks))
    names = [path.relative_to(folder).as_posix() for path in found.images]
    unusable = {path.relative_to(folder).as_posix(): shown(reason) for path, reason in found.unusable.items()}
    unusable |= {name: reason for name in names if (reason := unfit_name(name, labeller.format_name))}
    unusable |= find_clashes(names, labeller.output_files, _shared_files(labeller))
    images = [name for name in names if name not in unusable]
    for name, reason in unusable.items() if strict or not images else ():
        raise _not_labelled(name, reason)
    note_others(found, folder)
    return images, unusable


def _compare(labeller: Labeller, images: Sequence[str], journal: Journal, report: Callable[[str], object]) -> None:
    """Say what a resumed job finds; images that have to be labelled anew are unfinished then."""
    differences = find_differences(labeller, images, journal)
    if journal.n_dropped:
        report(
            f"Lines of {journal.path} that are torn or of another job, and are left out: {journal.n_dropped}; their "
            "images are labelled anew."
        )
    report(f"The job is resumed: {differences}.")


def _label_unfinished(
    labeller: Labeller,
    engine: Engine,
    images: Sequence[str],
    journal: Journal,
    progress: Progress,
    shown: Callable[[str], str],
) -> Iterator[list[JournalRecord]]:
    """Label every window with an unfinished image as a whole, so that batches equal those of an unstopped job.

    Yields the records of each window once they are in the journal.
    """
    done, failed = sum(journal.is_done(image) for image in images), 0
    progress(done, len(images), failed)
    for records in engine(labeller, _unfinished_windows(images, journal)):
        records = [replace(record, error=shown(record.error)) for record in records]
        journal.add(records)
        done += len(records)
        failed += sum(bool(record.error) for record in records)
        progress(done, len(images), failed)
        yield records


def _unfinished_windows(images: Sequence[str], journal: Journal) -> Iterator[Window]:
    for start in range(0, len(images), WINDOW_SIZE):
        window = images[start : start + WINDOW_SIZE]
        finished = [image for image in window if journal.is_done(image)]
        if len(finished) < len(window):
            yield Window(window, finished)


def _refuse_failed(records: Iterable[JournalRecord]) -> None:
    for record in records:
        if record.error:
            raise _not_labelled(record.labels.image, record.error)


def _not_labelled(image: str, reason: str) -> DataError:
    return DataError(f"{escape(image)} cannot be labelled: {escape(reason)}")


def _write_about_all(result: JobResult, labeller: Labeller) -> None:
    """Write the files about all images: those of the format, and failed.txt where an image could not be labelled."""

    def read_all() -> Iterator[ImageLabels]:
        return (record.labels for record in result.journal.records(result.images))

    write_shared_files(read_all, labeller.target, labeller.format_name)
    path = labeller.target.out / FAILED_FILE
    if failed := result.failed:
        write_text("".join(f"{image}\t{reason}\n" for image, reason in failed.items()), path)
    else:
        path.unlink(missing_ok=True)


def _check_outputs(labeller: Labeller, images: Sequence[str], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """DataError where a file of the job would replace a folder, a file that is read, or one of no labelling job.

    Also where a file is in the place of a folder.
    """
    out = labeller.target.out
    check_folders(out, images, labeller.output_files, _shared_files(labeller))
    read = _real_paths_to_keep(labeller, images, inputs)
    resumed = (out / JOURNAL).exists()
    if folder := FORMATS[labeller.format_name].images_folder:
        check_folders(out, images, lambda image: [f"{folder}/{image}"])
        check_places(images, labeller.target, folder, overwrite=overwrite or resumed)
    for name in _written_files(labeller, images):
        refuse_to_replace(out / name, read=read, overwrite=overwrite or resumed)


def _real_paths_to_keep(labeller: Labeller, images: Sequence[str], inputs: Sequence[Path]) -> set[Path]:
    """Of all files that are read, by their real paths, those in whose place an output may lie; mostly none.

    They lie in the folder of labels, or where an output leads that is a link, or lies behind one.
    """
    out = labeller.target.out
    root = real_path(out)
    outputs = (real_path(out / name) for name in _output_files(labeller, images))
    elsewhere = {path for path in outputs if not path.is_relative_to(root)}
    read = map(real_path, chain(inputs, (labeller.target.images / image for image in images)))
    return {path for path in read if path in elsewhere or path.is_relative_to(root)}


def _written_files(labeller: Labeller, images: Iterable[str]) -> Iterator[str]:
    return chain((JOURNAL,), _output_files(labeller, images))


def _output_files(labeller: Labeller, images: Iterable[str]) -> Iterator[str]:
    """All files that the job writes or removes, except its journal, below the folder of labels."""
    yield from _shared_files(labeller)
    for image in images:
        yield from labeller.output_files(image)


def _shared_files(labeller: Labeller) -> tuple[str, ...]:
    """Those that are about all images."""
    return PAGE, FAILED_FILE, TRUTH_PAGE, *FORMATS[labeller.format_name].shared_files


def _output_folders(out: Path) -> tuple[Path, ...]:
    """Folders that hold images written by the job, which are not labelled if they lie in the folder of images."""
    return out, out / THUMBNAILS, out / png_folder.FOLDER


def _settings(labeller: Labeller, shown: Callable[[str], str]) -> JobSettings:
    segmenter = labeller.segmenter
    return JobSettings(
        label_format=labeller.format_name,
        images=shown(str(labeller.target.images.resolve())),
        classes=tuple((learned.name, _sha256(learned)) for learned in labeller.classes),
        model=segmenter.model,
        precision=segmenter.precision,
        threshold=labeller.threshold,
        min_presence=labeller.min_presence,
        working_size=segmenter.preprocessing.longest_side,
        tiles_above=segmenter.preprocessing.tiles_above,
        refine=segmenter.refine,
        keys=segmenter.network.config.matching.keys,
        instances=None if (rules := labeller.instances) is None else (rules.min_area, rules.fill_holes),
    )


def _sha256(learned: ClassPrototype) -> str:
    tensors = {"background": learned.background, "foreground": learned.foreground, **(learned.fusion or {})}
    if learned.min_presence is not None:
        tensors["min_presence"] = torch.tensor(learned.min_presence)
    return sha256_of(tensors if learned.text is None else {**tensors, "text": learned.text})
