"""Learn the classes of a project from its examples, and keep their class files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import CdpnetError, DataError
from cdpnet.inference.class_files import ClassPrototype, load_class, save_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.projects.document import ProjectClass
from cdpnet.projects.editing import class_file, example_file
from cdpnet.projects.keys import class_key, enabled_examples
from cdpnet.projects.project import Project, missing_picture


class Teacher:
    """Learns the classes of a project with a segmenter; one thread at a time uses it."""

    def __init__(self, project: Project, segmenter: Segmenter) -> None:
        self.project, self.segmenter = project, segmenter
        self._known: dict[str, tuple[str, ClassPrototype]] = {}  # what a class file was learned from, and its class
        self._note_lost()

    def out_of_date(self) -> list[ProjectClass]:
        """The classes whose examples or name changed since they were learned."""
        document, (fingerprint, _) = self.project.document, self.segmenter.model
        return [one for one in document.classes.values() if class_key(document, one, fingerprint) != one.learned]

    def learned(self) -> list[tuple[ProjectClass, ClassPrototype]]:
        """The classes that can be segmented, in the order of their numbers."""
        classes = [one for one in self.project.document.classes.values() if one.pooled]
        found = [(one, self._load(one)) for one in sorted(classes, key=lambda one: one.number)]
        return [(one, learned) for one, learned in found if learned is not None]

    def learn(self, one: ProjectClass) -> None:
        """Learn a class anew and keep its file; where that fails, the class stays as it was, with the reason."""
        with self.project.lock:
            document = self.project.document
            key = class_key(document, one, self.segmenter.model[0])
            enabled = enabled_examples(document, one.id)
            without = [example for example in enabled if document.examples[example].absent]
            wanted = tuple(example for example in enabled if example not in without)
        try:
            learned, pooled, reason = *self._teach(one, wanted), ""
            if learned is not None:
                learned = self._teach_absence(learned, without)
        except CdpnetError as error:
            learned, pooled, reason = None, one.pooled if wanted else (), str(error)
        with self.project.lock:
            if one.id not in self.project.document.classes:
                return  # removed meanwhile
            if learned is not None:
                path = self.project.folder / class_file(one.id)
                path.parent.mkdir(exist_ok=True)
                save_class(learned, path)
                self._known[one.id] = key, learned
            elif self._known.get(one.id):
                self._known[one.id] = key, self._known[one.id][1]
            changed = replace(self.project.one_class(one.id), learned=key, pooled=pooled, reason=reason)
            document = self.project.document
            self.project.update(replace(document, classes={**document.classes, one.id: changed}))

    def _note_lost(self) -> None:
        """Note the classes whose files are not there, are broken, or are of another model: they are out of date."""
        with self.project.lock:
            document = self.project.document
            lost = {
                one.id: replace(one, learned="")
                for one in document.classes.values()
                if one.learned and one.pooled and self._load(one) is None
            }
            if lost:
                self.project.update(replace(document, classes={**document.classes, **lost}))

    def _teach(self, one: ProjectClass, wanted: tuple[str, ...]) -> tuple[ClassPrototype | None, tuple[str, ...]]:
        """The class of the wanted examples, and their ids in its order; examples that it has stay in it."""
        if not wanted:
            return None, ()
        learned, pooled = self._load(one), [*one.pooled]
        if learned is None or learned.name != one.name or not set(pooled) & set(wanted):
            learned, pooled = None, []
        for example in [example for example in pooled if example not in wanted]:
            assert learned is not None
            learned = self.segmenter.remove_example(learned, pooled.index(example))
            pooled.remove(example)
        for example in [example for example in wanted if example not in pooled]:
            image, mask = self._files(example)
            if learned is None:
                learned = self.segmenter.learn(one.name, image, mask)
            else:
                learned = self.segmenter.add_example(learned, image, mask)
            pooled.append(example)
        return learned, tuple(pooled)

    def _teach_absence(self, learned: ClassPrototype, without: Sequence[str]) -> ClassPrototype:
        """The class with the presence below which it is absent: by these examples without it, or the network's own."""
        learned = replace(learned, min_presence=None)
        paths = [self._image(example) for example in without]
        return self.segmenter.learn_absence(learned, paths) if paths else learned

    def _files(self, example_id: str) -> tuple[Path, NDArray[np.uint8] | Path]:
        return self._image(example_id), self.project.folder / example_file(example_id)

    def _image(self, example_id: str) -> Path:
        image = self.project.image(self.project.example(example_id).image)
        path = self.project.image_path(image)
        if not path.exists():
            raise DataError(missing_picture(image.file))
        return path

    def _load(self, one: ProjectClass) -> ClassPrototype | None:
        """The class of a class file; None where the file is not there, is broken, or is of another model."""
        known = self._known.get(one.id)
        if known is not None and known[0] == one.learned:
            return known[1]
        try:
            learned = load_class(self.project.folder / class_file(one.id))
        except DataError:
            return None
        if learned.model[0] != self.segmenter.model[0] or len(learned.stored_examples) != len(one.pooled):
            return None
        self._known[one.id] = one.learned, learned
        return learned

    def check_example(self, image_id: str, mask: NDArray[np.bool_]) -> None:
        """DataError where a class cannot be learned from a mask (H, W) of an image."""
        image = self.project.image(image_id)
        self.segmenter.preprocessing.load_support(self.project.image_path(image), mask)
