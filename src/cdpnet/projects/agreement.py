"""How far the examples of a class agree: what the others find in the image of each."""

from __future__ import annotations

from cdpnet.errors import CdpnetError
from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.uncertainty import leave_one_out
from cdpnet.labels.png import read_mask
from cdpnet.projects.document import ProjectClass, ProjectExample
from cdpnet.projects.editing import example_file
from cdpnet.projects.project import Project
from cdpnet.projects.teaching import Teacher
from cdpnet.runtime.metrics import mask_iou


class Agreement:
    """Compares each example of a class with what the class finds without it; one thread at a time uses it."""

    def __init__(self, project: Project, encoded: EncodedImages, teacher: Teacher) -> None:
        self.project, self.encoded, self.teacher = project, encoded, teacher
        self._found: dict[
            str, tuple[str, float | None]
        ] = {}  # by example: what its class was learned from, and how far

    def of(self, example: ProjectExample) -> float | None:
        """1 - IoU of an example and what the other examples of its class find in its image, 0..1; None if unknown."""
        one = self.project.document.classes[example.class_id]
        key, disagreement = self._found.get(example.id, ("", None))
        return disagreement if key == one.learned and example.id in one.pooled else None

    def pending(self) -> list[tuple[ProjectClass, str]]:
        """The examples that are still to be compared, each with its class; a single one has nothing to differ from."""
        classes = [one for one in self.project.document.classes.values() if len(one.pooled) > 1]
        pairs = [(one, example) for one in classes for example in one.pooled]
        return [(one, example) for one, example in pairs if self._found.get(example, ("",))[0] != one.learned]

    def compare(self, one: ProjectClass, example_id: str) -> None:
        """Compare an example of a class; where its image is gone, that stays unknown."""
        try:
            disagreement = self._compare(one, example_id)
        except (CdpnetError, OSError):
            disagreement = None
        self._found[example_id] = one.learned, disagreement
        with self.project.lock:
            self.project.update(self.project.document, save=False)

    def _compare(self, one: ProjectClass, example_id: str) -> float | None:
        learned = next((learned for known, learned in self.teacher.learned() if known == one), None)
        if learned is None:
            return None
        image = self.project.image(self.project.example(example_id).image)
        classes = leave_one_out(learned, self.encoded.segmenter.network.config.decision)
        without = classes[1 + one.pooled.index(example_id)]
        found = self.encoded.segment(self.project.image_path(image), [without], min_presence=0).mask == 1
        marked = read_mask(self.project.folder / example_file(example_id), found.shape).numpy() == 1
        return 1 - mask_iou(found, marked)
