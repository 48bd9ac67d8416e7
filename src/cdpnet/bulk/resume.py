"""Compare a job that is resumed with its images and its labels: which of them have changed since?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cdpnet.bulk.journal import Journal, JournalRecord
from cdpnet.bulk.labeller import Labeller, thumbnail_file
from cdpnet.bulk.stamps import ImageStamp
from cdpnet.runtime.text import counted, form

_AT_ONCE = 1000  # records in memory


@dataclass
class Differences:
    """What differs from the journal of a job.

    new, failed, changed: images that were not labelled yet, could not be, and have another content now. missing: label
    files and thumbnails. edited: label files that somebody changed, which are kept. gone: images that were labelled and
    are not in the folder any more; files of their own stay.
    """

    new: int = 0
    failed: int = 0
    changed: int = 0
    missing: int = 0
    edited: int = 0
    gone: int = 0

    def __str__(self) -> str:
        """As a line for people."""
        parts = [f"{self.new} new", f"{self.changed} changed", f"{counted(self.missing, 'output')} missing"]
        if self.failed:
            parts.append(f"{self.failed} failed before")
        if self.edited:
            are_kept = form(self.edited, "is kept", "are kept")
            parts.append(f"{counted(self.edited, 'label file')} edited since, which {are_kept}")
        if self.gone:
            parts.append(f"{self.gone} no longer in the folder, whose label files and thumbnails stay")
        return ", ".join(parts)


def find_differences(labeller: Labeller, images: Sequence[str], journal: Journal) -> Differences:
    """Compare the images and outputs of a job with its journal, which forgets every image to be labelled anew.

    The labels of an image that has another content now are removed, so that none remains if it cannot be read. OSError
    where the folder of labels cannot be written to.
    """
    found = Differences(failed=len(journal.failed(images)), gone=journal.count_done_elsewhere(images))
    found.new = sum(not journal.is_done(image) for image in images) - found.failed
    names = set(labeller.target.classes)
    touched: list[JournalRecord] = []  # images with other times and the same content
    for record in journal.records(images):
        image = record.labels.image
        if not names.issuperset(record.labels.class_names):
            found.new += 1
            journal.n_dropped += 1
            journal.forget(image)
            continue
        stamp = _stamp_now(record, labeller.target.images / image)
        if record.stamp is not None and (stamp is None or stamp.sha256 != record.stamp.sha256):
            found.changed += 1
            journal.forget(image)
            if stamp is not None:
                for name in labeller.output_files(image):
                    (labeller.target.out / name).unlink(missing_ok=True)
        elif missing := _missing_outputs(record, labeller, found):
            found.missing += missing
            journal.forget(image)
        elif stamp != record.stamp:
            touched.append(replace(record, stamp=stamp))
        if len(touched) == _AT_ONCE:
            journal.add(touched)
            touched = []
    if touched:
        journal.add(touched)
    return found


def _stamp_now(record: JournalRecord, path: Path) -> ImageStamp | None:
    """The stamp of an image, read only where size or times differ; None where it cannot be read."""
    if record.stamp is None:  # of an older version: taken to be unchanged
        return None
    try:
        return record.stamp if record.stamp.is_state_of(path.stat()) else ImageStamp.of(path)
    except OSError:
        return None


def _missing_outputs(record: JournalRecord, labeller: Labeller, found: Differences) -> int:
    """The number of files of an image that have to be written again; edited label files are counted in ``found``."""
    names = labeller.output_files(record.labels.image)
    written = record.outputs if len(record.outputs) == len(names) else (None,) * len(names)
    missing = 0
    for name, stamp in zip(names, written, strict=True):
        path = labeller.target.out / name
        try:
            size = path.stat().st_size
            if stamp is None or stamp.fits(path):
                continue
        except OSError:
            missing += 1
            continue
        if size == 0 or name == thumbnail_file(record.labels.image):  # nobody edits those
            missing += 1
        else:
            found.edited += 1
    return missing
