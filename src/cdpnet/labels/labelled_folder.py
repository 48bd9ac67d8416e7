"""The labels of a folder of images, as they are read from any format."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError
from cdpnet.labels.image_paths import key, match_images
from cdpnet.labels.label_set import FormatName
from cdpnet.labels.orientation import turn_labels
from cdpnet.labels.pairing import FileSet, Pair, match_files, pair
from cdpnet.labels.reading_notes import Note, summarise
from cdpnet.labels.reading_options import DEFAULT, ReadingOptions
from cdpnet.labels.regions import ImageLabels
from cdpnet.runtime.text import check_class_name

_LIST_FILE = re.compile(r"(classes|failed|train|val|test|readme.*)\.txt", re.IGNORECASE)  # which labels no image


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images, the images in it and in its subfolders, and how their labels are read."""

    path: Path
    images: tuple[Path, ...]
    options: ReadingOptions = DEFAULT

    def name(self, image: Path) -> str:
        """The path of an image below the folder, with ``/``."""
        return image.relative_to(self.path).as_posix()

    def match(self, names: Sequence[str], source: Path) -> tuple[dict[str, Path], tuple[Note, ...]]:
        """The images that a label file names, if they are there, and a note on those that are not.

        DataError where it is not clear which is meant.
        """
        try:
            found = match_images(names, self.images, self.path)
        except FieldError as error:
            raise DataError(f"{source}: {error}.") from None
        missing = set(names) - found.keys()
        return found, (Note(f"images that are not in {self.path} are left out", len(missing)),) if missing else ()

    def with_files(
        self, source: Path, place: Callable[[str], str]
    ) -> tuple[list[Pair], dict[str, str], tuple[Note, ...]]:
        """The images that have a label file of their own, each with it, why others have none for certain, and a note.

        The note is on label files that have the name of no image. source: a label file, or the folder of labels. place:
        the path of an image's label file in there; otherwise the file has the path of its image with another ending, or
        is found as `match_files` does. DataError where a source that is a file may be that of several images.
        """
        if source.is_file():
            return pair(FileSet(self.images, self.path), FileSet([source], source.parent)), {}, ()
        ending = PurePosixPath(place("image.png")).suffix
        placed: dict[Path, Path] = {}
        for image in self.images:
            name = self.name(image)
            places = (source / place(name), source / PurePosixPath(name).with_suffix(ending))
            is_there = (file for file in places if os.path.isfile(file))  # noqa: PTH113 - its name may be too long
            placed |= dict([(image, file) for file in is_there][:1])
        taken = set(placed.values())
        images = [image for image in self.images if image not in placed]
        files = sorted(path for path in source.rglob("*") if path.suffix.lower() == ending and path not in taken)
        found, unclear = match_files(FileSet(images, self.path), FileSet(files, source))
        pairs = sorted([*map(Pair, placed, placed.values()), *found], key=lambda one: one.image)
        return pairs, {self.name(image): unclear[image] for image in unclear}, self._note_without_image(files)

    def _note_without_image(self, files: Sequence[Path]) -> tuple[Note, ...]:
        names, images = {key(image.stem) for image in self.images}, set(self.images)
        unknown = [
            file
            for file in files
            if key(file.stem) not in names and file not in images and not _LIST_FILE.fullmatch(file.name)
        ]
        example = f"such as {unknown[0].name}, " if unknown else ""
        text = f"label files that have the name of no image in {self.path}, {example}are left out"
        return (Note(text, len(unknown)),) if unknown else ()


@dataclass
class LabelledFolder:
    """Labels of the images of a folder.

    classes: their names, in the order of the label files where these number them. labels: of each image that has a
    label file or an entry in one; failed: images whose labels cannot be read, with the reason; both by the path of the
    image below its folder. file_notes: what is left out of a file about all images.
    """

    format_name: FormatName
    classes: tuple[str, ...] = ()
    labels: dict[str, ImageLabels] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    file_notes: tuple[Note, ...] = ()

    def add(self, images: ImageFolder, read: Callable[[Path], ImageLabels], image: Path) -> None:
        """Read the labels of an image, as it is shown; what is wrong with them concerns this image only."""
        name = images.name(image)
        try:
            found = turn_labels(read(image), image, images.options.exif)
            for label in found.class_names:
                check_class_name(label)
                if not label.strip():
                    raise DataError("It has a label without a name; name it.")
            shown = [region for region in found.regions if found.area(region)]
            notes = list(found.notes)
            if n_empty := len(found.regions) - len(shown):
                notes.append(Note("regions that mark no pixel of their image are left out", n_empty))
            if (before := self.labels.get(name)) is not None:
                shown, notes = [*before.regions, *shown], [*before.notes, *notes]
                notes.append(Note("entries of an image that has another one are read together with it"))
            self.labels[name] = replace(found, image=name, regions=tuple(shown), notes=tuple(notes))
        except DataError as error:
            self.failed[name] = str(error)

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Count images, each with its reason, among those whose labels cannot be used."""
        self.labels = {image: labels for image, labels in self.labels.items() if image not in reasons}
        self.failed |= reasons

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """The classes that an image shows, in the order in which they appear."""
        return tuple(dict.fromkeys(name for labels in self.labels.values() for name in labels.class_names))

    @property
    def notes(self) -> list[str]:
        """What is left out of label files, or read in one of several ways, each sentence once."""
        return summarise([*self.file_notes, *(note for labels in self.labels.values() for note in labels.notes)])
