"""A project: its document and files, changed in whole steps that can be taken back; usable from several threads."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.images import read_size
from cdpnet.io.masks import read_class_numbers
from cdpnet.labels.palette import palette_image
from cdpnet.projects import folder as files
from cdpnet.projects.document import (
    FILE,
    Document,
    ProjectClass,
    ProjectExample,
    ProjectImage,
    Record,
    check,
    load_document,
)
from cdpnet.projects.fitting import fit
from cdpnet.projects.history import Change, History, Step, why_nothing

T = TypeVar("T")


class ConflictError(DataError):
    """A change that somebody made to an older state."""


class MissingError(DataError):
    """An id that nothing in the project has."""


class Project:
    """A project in a folder that is `held`. kept: whether the folder stays when the program ends."""

    def __init__(self, folder: Path, *, kept: bool = True) -> None:
        """Open a project, or begin one with the images in the folder. DataError for a folder that cannot be used."""
        self.folder, self.kept = folder, kept
        self.lock = RLock()
        self._history = History(folder)
        self._listeners: set[Callable[[], object]] = set()
        is_new = not (folder / FILE).exists()
        document = Document() if is_new else load_document(folder)
        done, undone = self._history.load(document.done), self._history.load(document.undone)
        self.nothing_to_undo = why_nothing(document.done, done, "take back")
        self.nothing_to_redo = why_nothing(document.undone, undone, "do again")
        if not is_new and (step := self._history.unfinished(document.revision)) is not None:
            self._put_back(step.change)
        self.document = replace(document, done=done, undone=undone)
        self._find_images()
        self.save()
        self._forget_steps()

    def image(self, image_id: str) -> ProjectImage:
        """An image by its id. MissingError where there is none."""
        return _find(self.document.images, image_id, "image")

    def one_class(self, class_id: str) -> ProjectClass:
        """A class by its id. MissingError where there is none."""
        return _find(self.document.classes, class_id, "class")

    def example(self, example_id: str) -> ProjectExample:
        """An example by its id. MissingError where there is none."""
        return _find(self.document.examples, example_id, "example")

    def image_path(self, image: ProjectImage) -> Path:
        """The file of an image."""
        return self.folder / files.IMAGES / image.file

    def mask(self, image: ProjectImage) -> NDArray[np.uint8]:
        """The numbers of the classes in an image, (H, W); 0 where it has no mask. DataError for a bad file."""
        path = self.folder / files.mask_path(image)
        if not path.exists():
            return np.zeros((image.height, image.width), np.uint8)
        mask = read_class_numbers(path)
        if mask.shape != (image.height, image.width) or mask.min() < 0 or mask.max() > np.iinfo(np.uint8).max:
            raise DataError(f"{path.name} is not a mask of {image.file}, whose size it must have; remove it.")
        return mask.astype(np.uint8)

    def commit(
        self,
        sentence: str,
        records: Mapping[str, Record | None],
        contents: Mapping[str, bytes | None] | None = None,
        pictures: Mapping[str, str] | None = None,
    ) -> None:
        """Make a change that can be taken back. sentence: what is done. DataError where the disk cannot be written."""
        with self.lock:
            change = Change(records, contents or {}, pictures or {})
            self._apply(Step(sentence, change), lambda step: (self._history.newest((*self.document.done, step)), ()))

    @property
    def to_undo(self) -> Step | None:
        """The last step, that can be taken back."""
        done = self.document.done
        return self._history[done[-1]] if done else None

    @property
    def to_redo(self) -> Step | None:
        """The step that was taken back last, and can be done again."""
        undone = self.document.undone
        return self._history[undone[-1]] if undone else None

    def before_last_step(self, key: str) -> Record | None:
        """The record with an id before the last step about it that can be taken back; None where there is none."""
        steps = (self._history[revision].change.records for revision in reversed(self.document.done))
        return next((records[key] for records in steps if key in records), None)

    def undo(self) -> dict[str, str]:
        """Take the last step back. ConflictError where there is none, or it does not fit the project any more.

        Gives the new names of images that come back while others have theirs, by those that they had.
        """
        with self.lock:
            step, (done, undone) = self.to_undo, (self.document.done, self.document.undone)
            if step is None:
                raise ConflictError(self.nothing_to_undo)
            return self._apply(step, lambda new: (done[:-1], (*undone, new)))

    def redo(self) -> dict[str, str]:
        """Do again the step that was taken back last; as `undo`."""
        with self.lock:
            step, (done, undone) = self.to_redo, (self.document.done, self.document.undone)
            if step is None:
                raise ConflictError(self.nothing_to_redo)
            return self._apply(step, lambda new: ((*done, new), undone[:-1]))

    def update(self, document: Document, *, save: bool = True) -> None:
        """Replace the document by one that follows from it; the caller holds the lock.

        save: whether it must be on the disk now, as what a person did; else `save` does it later. OSError where the
        disk cannot be written; nothing changed then.
        """
        following = replace(document, revision=document.revision + 1)
        if save:
            self._write(following)
        self.document = following
        for listener in tuple(self._listeners):
            listener()

    def save(self) -> None:
        """Write the document to the disk."""
        with self.lock:
            self._write(self.document)

    def new_id(self, kind: str) -> str:
        """An id that no record had before, here or in another project; the caller holds the lock. kind: c, i or e."""
        number = self.document.next_number
        self.document = replace(self.document, next_number=number + 1)
        return f"{kind}{number}-{secrets.token_hex(3)}"

    @contextmanager
    def listening(self, listener: Callable[[], object]) -> Iterator[None]:
        """Call a function after each change, in the thread that made it."""
        with self.lock:
            self._listeners.add(listener)
        try:
            yield
        finally:
            with self.lock:
                self._listeners.discard(listener)

    def _apply(self, step: Step, place: Callable[[int], tuple[tuple[int, ...], tuple[int, ...]]]) -> dict[str, str]:
        """Make the change of a step, fitted to the project; each image in it gets a revision of its own.

        place: the steps that can be taken back, and done again, with one that leads back from here.
        """
        revision = self._history.free_revision(self.document.revision + 1)
        change, renamed = fit(step.change, self.document, self.folder)
        document = self.document.with_records(change.records)
        try:
            check(document)
        except (ValueError, DataError) as error:
            raise ConflictError(f"The step does not fit the project any more: {str(error).rstrip('.')}.") from None
        back = Change(
            {key: self.document.record(key) for key in change.records},
            {name: files.read_file(self.folder, name) for name in change.files},
            {target: source for source, target in change.pictures.items()},
        )
        try:
            self._history.add(revision, Step(step.sentence, back))
            for name, content in change.files.items():
                files.put_file(self.folder, name, content)
            for source, target in change.pictures.items():
                files.move_picture(self.folder, source, target)
            done, undone = place(revision)
            self.update(replace(document, done=done, undone=undone, revision=revision - 1))
        except OSError as error:
            self._history.keep({*self.document.done, *self.document.undone})  # first: it makes room on a full disk
            self._put_back(back)
            raise files.unwritten(error) from None
        self._forget_steps()
        return renamed

    def _put_back(self, back: Change) -> None:
        """Bring back the files of a step that was not finished, as many as can be."""
        for source, target in back.pictures.items():
            if not os.path.lexists(self.folder / target):
                with suppress(OSError):
                    files.move_picture(self.folder, source, target)
        for name, content in back.files.items():
            with suppress(OSError):
                files.put_file(self.folder, name, content)

    def _write(self, document: Document) -> None:
        names = "".join(f"{name}\n" for name in document.names).encode()
        if files.read_file(self.folder, files.NAMES) != names:
            files.put_file(self.folder, files.NAMES, names)
        document.save(self.folder)  # last: it says what there is

    def _forget_steps(self) -> None:
        """Remove the steps that cannot be taken back or done again any more, and the images that they put aside."""
        self._history.keep({*self.document.done, *self.document.undone})
        files.forget_pictures(self.folder, self._history.pictures_aside())

    def _find_images(self) -> None:
        """Take in the images that were put into the folder, and note those that cannot be used any more, or again."""
        present = files.image_files(self.folder)
        known = {image.file for image in self.document.images.values()}
        new = [ProjectImage(self.new_id("i"), file, 0, 0, reason="new") for file in present if file not in known]
        images: dict[str, ProjectImage] = {}
        taken: dict[str, str] = {}  # the images by their masks; who comes later cannot have the same one
        for image in (*self.document.images.values(), *new):
            found = self._look_at(image, present, taken)
            images[image.id] = found
            if not found.reason:
                taken[found.mask_file] = found.file
        self.document = replace(self.document, images=images)

    def _look_at(self, image: ProjectImage, present: Collection[str], taken: Mapping[str, str]) -> ProjectImage:
        """An image as its file is now: the size of one that could not be used is read, the others are as they were."""
        if image.file not in present:
            return replace(image, reason=missing_picture(image.file))
        if image.mask_file in taken:
            other = taken[image.mask_file]
            return replace(image, reason=f"{image.file} and {other} have one stem, so one mask; rename one of them.")
        if not image.reason:
            return image
        try:
            height, width = read_size(self.image_path(image))
        except DataError as error:
            return replace(image, reason=str(error).replace(f"{self.folder / files.IMAGES}/", ""))
        return replace(image, height=height, width=width, found_with="", reason="")

    def note_failure(self, image: ProjectImage, error: Exception) -> None:
        """Note why the file of an image cannot be used; all else that is known of it stays."""
        path = self.image_path(image)
        reason = str(error).replace(f"{path.parent}/", "") if path.exists() else missing_picture(image.file)
        with self.lock:
            if image.id in self.document.images:
                failed = replace(image, revision=image.revision + 1, reason=reason)
                self.update(self.document.with_records({image.id: failed}), save=False)


def missing_picture(file: str) -> str:
    """The sentence for an image whose file was removed."""
    return f"{file} is no longer in the folder of images; put it back and open the project again, or remove it there."


def mask_content(mask: NDArray[np.uint8]) -> bytes:
    """A mask (H, W) of class numbers as the content of a palette PNG."""
    buffer = io.BytesIO()
    palette_image(mask).save(buffer, "PNG")
    return buffer.getvalue()


def _find(records: Mapping[str, T], key: str, kind: str) -> T:
    if key not in records:
        raise MissingError(f"There is no such {kind} (any more); it was removed in another window.")
    return records[key]
