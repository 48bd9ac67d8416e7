"""Segment the images of a project, one piece of work at a time: what is out of date is done, until nothing is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import CdpnetError, DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.uncertainty import uncertainty
from cdpnet.projects import folder as files
from cdpnet.projects.agreement import Agreement
from cdpnet.projects.document import Document, Finding, ProjectClass, ProjectImage
from cdpnet.projects.editing import count_classes
from cdpnet.projects.keys import classes_key, result_key, version_key
from cdpnet.projects.project import Project, mask_content
from cdpnet.projects.teaching import Teacher
from cdpnet.runtime.metrics import mask_iou

_MOST_SCORES = 256  # segmentations that are held, so that another threshold needs no network
_SAVED_EVERY = 2.0  # seconds; results of the network are found again after a crash


@dataclass(frozen=True)
class Gain:
    """What the last teaching of a class changed.

    changed: images whose mask of the class changed. of: images that were compared. total: sum of 1 - IoU over them.
    """

    class_id: str
    changed: int = 0
    of: int = 0
    total: float = 0.0

    def with_image(self, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Gain:
        """With one more image, by its masks (H, W) before and after."""
        change = 1 - mask_iou(before, after)
        return replace(self, changed=self.changed + (change > 0), of=self.of + 1, total=self.total + change)


@dataclass(frozen=True)
class Job:
    """Work that is left. done, total: images or examples. what: in words."""

    done: int
    total: int
    what: str


class ProjectSegmenter:
    """Learns and segments what is out of date in a project; `step` is called by one thread at a time."""

    def __init__(self, project: Project, encoded: EncodedImages) -> None:
        """Encoded: the segmenter with the images that it holds, which several projects can share."""
        self.project, self.encoded = project, encoded
        segmenter = encoded.segmenter
        self.teacher = Teacher(project, segmenter)
        self.agreement = Agreement(project, encoded, self.teacher)
        self.gain: Gain | None = None
        self._scores: OrderedDict[str, tuple[str, Segmentation]] = OrderedDict()  # by image: of which classes
        sizes = segmenter.preprocessing
        settings = segmenter.refine, segmenter.precision, sizes.longest_side, sizes.tiles_above
        config = segmenter.network.config
        of_results = asdict(config.decision), asdict(config.level), config.spread_logits  # which no class depends on
        self._settings: tuple[object, ...] = (*settings, config.matching.keys, *of_results)
        self._saved_at = monotonic()

    @property
    def is_segmented(self) -> bool:
        """Whether all masks are up to date; examples may still have to be compared."""
        return not self.teacher.out_of_date() and not self._pending(self.project.document)

    def job(self) -> Job | None:
        """The work that is left; None where all is done."""
        document = self.project.document
        if teaching := self.teacher.out_of_date():
            return Job(0, len(_open_images(document)), f"learning {teaching[0].name}")
        pending = self._pending(document)
        total = len(_open_images(document))
        if pending:
            return Job(total - len(pending), total, "segmenting")
        pooled = sum(len(one.pooled) for one in document.classes.values())
        to_compare = len(self.agreement.pending())
        return Job(pooled - to_compare, pooled, "comparing examples") if to_compare else None

    def step(self) -> bool:
        """Learn a class, segment an image or compare an example; False where nothing was left.

        DataError where the disk is full.
        """
        with self.project.lock:
            document = self.project.document
            teaching, pending = self.teacher.out_of_date(), self._pending(document)
        if teaching:
            self._learn(teaching[0])
        elif pending:
            self._segment(pending[0], document)
        elif to_compare := self.agreement.pending():
            self.agreement.compare(*to_compare[0])
        else:
            return False
        self._save_at_times()
        return True

    def run(self) -> None:
        """Do all that is left."""
        while self.step():
            pass

    @property
    def version(self) -> str:
        """A word for what masks are found with once all is learned; empty while there is no example."""
        return version_key(self.project.document, self.encoded.segmenter.model[0], *self._settings)

    def learn(self) -> None:
        """Learn all classes that are out of date, whatever images are left."""
        while teaching := self.teacher.out_of_date():
            self._learn(teaching[0])

    def segment(self, image_id: str) -> None:
        """Bring the mask of one image up to date before those of others. DataError where it cannot be used."""
        self.learn()
        with self.project.lock:
            document, image = self.project.document, self.project.image(image_id)
        if image in self._pending(document):
            self._segment(image, document)
            self._save_at_times()
        if reason := self.project.image(image_id).reason:
            raise DataError(reason)

    def _learn(self, one: ProjectClass) -> None:
        self.gain = Gain(one.id)
        self.teacher.learn(one)

    def _save_at_times(self) -> None:
        if self.job() is None or monotonic() - self._saved_at > _SAVED_EVERY:
            self.project.save()
            self._saved_at = monotonic()

    def _key(self, document: Document) -> str:
        return result_key(document, *self._settings)

    def _pending(self, document: Document) -> list[ProjectImage]:
        """The images whose masks are out of date."""
        key = self._key(document)
        return [image for image in _open_images(document) if image.found_with != key]

    def _segment(self, image: ProjectImage, document: Document) -> None:
        """Segment an image with the classes of a document, and keep the result if they are still in use."""
        key, learned = self._key(document), self.teacher.learned()
        places = [place for place, (one, _) in enumerate(learned) if not image.is_drawn(one.id)]
        classes = [learned[place][0] for place in places]
        try:
            scores = self._scores_of(image, document, [one for _, one in learned]) if places else None
            segmentation = scores and scores.only(places)
            numbers = self._numbers(image, segmentation, classes)
        except (CdpnetError, OSError) as error:
            self._fail(image, key, error)
            return
        self._keep(image, key, segmentation, numbers, classes)

    def _numbers(
        self, image: ProjectImage, segmentation: Segmentation | None, classes: list[ProjectClass]
    ) -> NDArray[np.uint8] | None:
        """The mask (H, W) of an image: what a person drew in it, and around that what is found of other classes.

        None for no mask. DataError where the one that a person drew in is of another size.
        """
        found = None
        if segmentation is not None:
            found = np.array([0, *(one.number for one in classes)], np.uint8)[segmentation.mask]
        if not image.edited:
            return found
        height, width = (image.height, image.width) if segmentation is None else segmentation.size
        before = self.project.mask(replace(image, height=height, width=width))
        drawn = [one.number for one in self.project.document.classes.values() if image.is_drawn(one.id)]
        return np.where(np.isin(before, drawn), before, 0 if found is None else found).astype(np.uint8)

    def _scores_of(self, image: ProjectImage, document: Document, classes: list[ClassPrototype]) -> Segmentation:
        settings = document.settings
        key = classes_key(document, settings.presence)
        held = self._scores.get(image.id)
        if held is None or held[0] != key:
            min_presence = None if settings.presence else 0.0
            found = self.encoded.segment(self.project.image_path(image), classes, min_presence=min_presence)
            held = self._scores[image.id] = key, found
            while len(self._scores) > _MOST_SCORES:
                self._scores.popitem(last=False)
        self._scores.move_to_end(image.id)
        segmentation = held[1]
        # A copy, so that the masks that it caches are not held in memory with the scores.
        return replace(segmentation) if settings.threshold is None else segmentation.at(settings.threshold)

    def _keep(
        self,
        image: ProjectImage,
        key: str,
        segmentation: Segmentation | None,
        numbers: NDArray[np.uint8] | None,
        classes: list[ProjectClass],
    ) -> None:
        """Write the mask of an image, unless somebody changed the image or the classes meanwhile.

        A result whose mask is equal keeps the revision, so that a verdict on the one before is a verdict on it.
        """
        with self.project.lock:
            document = self.project.document
            if document.images.get(image.id) != image or self._key(document) != key:
                return
            is_same = False
            if numbers is not None and image.found_with:
                before = self.project.mask(image)
                is_same = np.array_equal(before, numbers)
                self._note_gain(image, before, numbers)
            files.put_file(
                self.project.folder, files.mask_path(image), None if numbers is None else mask_content(numbers)
            )
            found = replace(
                image,
                revision=image.revision + (not is_same),
                findings=() if segmentation is None else _findings(segmentation, classes),
                uncertainty=0.0 if segmentation is None else round(uncertainty(segmentation), 4),
                found_with=key,
                reason="",
            )
            if segmentation is not None:
                found = replace(found, height=segmentation.size[0], width=segmentation.size[1])
            if numbers is not None:
                found = replace(found, findings=count_classes(self.project, found, numbers))
            self.project.update(replace(document, images={**document.images, image.id: found}), save=False)

    def _note_gain(self, image: ProjectImage, before: NDArray[np.uint8], numbers: NDArray[np.uint8]) -> None:
        if self.gain is None or image.is_drawn(self.gain.class_id):
            return
        number = self.project.one_class(self.gain.class_id).number
        if before.shape == numbers.shape:
            self.gain = self.gain.with_image(before == number, numbers == number)

    def _fail(self, image: ProjectImage, key: str, error: CdpnetError | OSError) -> None:
        with self.project.lock:
            if self.project.document.images.get(image.id) == image:
                self.project.note_failure(replace(image, found_with=key), error)


def _open_images(document: Document) -> list[ProjectImage]:
    """The images in whose masks something is the network's."""
    learned = [one.id for one in document.classes.values() if one.pooled]

    def is_open(image: ProjectImage) -> bool:
        of_classes = (*learned, *(found.class_id for found in image.findings))
        return not image.is_settled and not (image.edited and all(map(image.is_drawn, of_classes)))

    return [image for image in document.images.values() if is_open(image)]


def _findings(segmentation: Segmentation, classes: list[ProjectClass]) -> tuple[Finding, ...]:
    """Presence and score of classes; their shares are counted in the mask."""
    values = zip(classes, segmentation.presence, segmentation.uncertainties, strict=True)
    return tuple(Finding(one.id, 0.0, round(presence, 4), round(1 - doubt, 4)) for one, presence, doubt in values)
