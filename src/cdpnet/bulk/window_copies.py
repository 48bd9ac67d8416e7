"""Label windows of images on machines that do not see the folders of the job: images and labels travel as bytes."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cdpnet.bulk.engines import Window
from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller, Stamped, read_stamped, record_of_name
from cdpnet.bulk.stamps import ImageStamp
from cdpnet.errors import DataError
from cdpnet.io.files import write_bytes
from cdpnet.io.scratch import scratch_folder
from cdpnet.labels.regions import ImageLabels
from cdpnet.runtime.text import renamed


@dataclass(frozen=True)
class SentWindow:
    """A window for another machine.

    images: by their paths below the folder, where their bytes are, or the sentence that says why one cannot be read.
    """

    images: dict[str, Stamped[Any] | str]
    finished: Sequence[str]


@dataclass(frozen=True)
class SentLabels:
    """The records of a window, and the bytes of the files that were made, by their paths below the folder of labels."""

    records: list[JournalRecord]
    files: dict[str, bytes]


@dataclass(frozen=True)
class JobFiles:
    """The files of a job, on the machine that has them; only it reads images and writes labels.

    pool: reads and writes. put: keeps the bytes of an image where a worker gets them, and returns their place.
    """

    labeller: Labeller
    pool: Executor
    put: Callable[[bytes], Any]

    def read(self, window: Window) -> SentWindow:
        """Read the images of a window."""
        images = self.labeller.target.images

        def read(image: str) -> Stamped[Any] | str:
            found = read_stamped(images / image, Path.read_bytes)
            return found if isinstance(found, str) else Stamped(self.put(found.content), found.stamp)

        return SentWindow(dict(zip(window.images, self.pool.map(read, window.images), strict=True)), window.finished)

    def write(self, labels: SentLabels) -> list[JournalRecord]:
        """Write the files of a window as `Labeller.label` does, and return its records."""
        out = self.labeller.target.out

        def write(record: JournalRecord) -> JournalRecord:
            image = record.labels.image
            try:
                for name in self.labeller.output_files(image) if not record.error else ():
                    write_bytes(labels.files[name], out / name)
            except OSError as error:
                return record_of_name(image, error)
            return record

        return list(self.pool.map(write, labels.records))


@dataclass(frozen=True)
class CopiesLabeller:
    """Labels copies of images in a folder of temporary files, on a machine that need not have the folders of the job.

    images, out: where these folders lie below the root of the file system, and the copies below the temporary folder:
    so paths in labels lead from one to the other.
    """

    labeller: Labeller
    images: Path
    out: Path

    @classmethod
    def of(cls, labeller: Labeller) -> CopiesLabeller:
        """A labeller to send to other machines; paths are read as on this one."""
        return cls(labeller, _below_root(labeller.target.images), _below_root(labeller.target.out))

    def label(self, window: SentWindow, pool: Executor, get: Callable[[Any], bytes]) -> SentLabels:
        """Label a window as `Labeller.label` does. get: the bytes of an image from their place.

        DataError where the temporary folder cannot be written to.
        """
        try:
            with scratch_folder() as root:
                return self._label_copies(window, root / self.images, root / self.out, pool, get)
        except OSError as error:
            raise DataError(
                f"A temporary file of the machine {platform.node()} cannot be written ({error.strerror or error}); "
                "free space in its folder of temporary files, or start Ray there with another one in the environment "
                "variable TMPDIR. Finished images are kept."
            ) from None

    def _label_copies(
        self, window: SentWindow, images: Path, out: Path, pool: Executor, get: Callable[[Any], bytes]
    ) -> SentLabels:
        """Label a window by way of two temporary folders, which no record names."""
        stamps: dict[str, ImageStamp] = {}
        found: dict[str, JournalRecord] = {}
        for image, sent in window.images.items():
            try:
                if isinstance(sent, str):
                    found[image] = JournalRecord(ImageLabels(image, 0, 0), error=sent)
                else:
                    (images / image).parent.mkdir(parents=True, exist_ok=True)
                    (images / image).write_bytes(get(sent.content))
                    stamps[image] = sent.stamp
            except OSError as error:
                found[image] = record_of_name(image, error)

        target = self.labeller.target
        labeller = replace(self.labeller, target=replace(target, images=images, out=out))
        for record in labeller.label(list(stamps), pool, None, window.finished):
            image = record.labels.image
            found[image] = record if record.error else replace(record, stamp=stamps[image])
        places = {_beginning(images): _beginning(target.images), _beginning(out): _beginning(target.out)}
        records = [
            replace(found[image], error=renamed(found[image].error, places))
            for image in window.images
            if image in found and image not in window.finished
        ]
        names = (name for record in records if not record.error for name in labeller.output_files(record.labels.image))
        return SentLabels(records, {name: (out / name).read_bytes() for name in names})


def _below_root(folder: Path) -> Path:
    """The absolute path of a folder, without the root."""
    path = Path(os.path.normpath(folder.absolute()))
    return path.relative_to(path.anchor)


def _beginning(folder: Path) -> str:
    """What the path of a file in a folder begins with."""
    return str(folder / "_").removesuffix("_")
