"""What annotations of Label Studio teach: an example of each class that is marked, replaced and removed with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdpnet.backend.images import TaskImages
from cdpnet.backend.predicting import class_name
from cdpnet.backend.records import TaughtAnnotation
from cdpnet.backend.requests import Annotation
from cdpnet.errors import DataError
from cdpnet.labels.labelstudio_shapes import TaskRegion, read_regions
from cdpnet.labels.regions import ImageLabels
from cdpnet.projects.annotating import annotate, withdraw
from cdpnet.projects.document import ProjectImage
from cdpnet.projects.editing import add_class
from cdpnet.projects.project import Project
from cdpnet.web.workspace import Workspace

_LONGEST_NAME = 200  # characters of a label


@dataclass(frozen=True)
class Lesson:
    """What an annotation taught. learned: names of classes. left_out: sentences."""

    learned: tuple[str, ...]
    left_out: tuple[str, ...]


def teach(workspace: Workspace, images: TaskImages, annotation: Annotation) -> Lesson:
    """Take an annotation, new or changed, as the mask of its image and as examples; a skipped task takes it away.

    DataError where the image cannot be used or a region is broken; then nothing changes.
    """
    if annotation.results is None:
        forget(workspace.project, images, [annotation.id])
        return Lesson((), ())
    image = images.find(annotation.task.address)
    labels = _read(annotation, image)
    project = workspace.project
    with project.lock:
        classes = {name: _class_id(project, name) for name in labels.class_names}
        numbers = np.zeros(labels.size, np.uint8)
        for region in labels.regions:
            numbers[labels.mask(region) > 0] = project.one_class(classes[region.label]).number
    taught, left_out = _usable(workspace, image.id, classes, numbers)
    with project.lock:
        examples = annotate(project, image.id, numbers, [classes[name] for name in taught])
        record = TaughtAnnotation(image.id, examples, project.image(image.id).revision)
        images.remember(images.records.with_annotation(annotation.id, record))
    return Lesson(tuple(taught), tuple(left_out))


def forget(project: Project, images: TaskImages, numbers: Iterable[int]) -> None:
    """Remove the examples of annotations; their images belong to the network again, unless somebody changed them."""
    with project.lock:
        for number in numbers:
            taught = images.records.annotations.get(str(number))
            if taught is None:
                continue
            if taught.image in project.document.images:
                withdraw(project, taught.image, taught.examples, taught.revision)
            images.remember(images.records.without_annotation(number))


def _read(annotation: Annotation, image: ProjectImage) -> ImageLabels:
    """The regions of an annotation, named as classes."""
    what, size = f"annotation {annotation.id}", (image.height, image.width)
    regions, _ = read_regions(list(annotation.results or ()), what)
    for region in regions:
        _check_size(region, image)
    decoded = [region.decode(size, class_name(label)) for region in regions for label in region.labels]
    return ImageLabels(image.file, *size, tuple(decoded))


def _check_size(region: TaskRegion, image: ProjectImage) -> None:
    if region.size not in (None, (image.height, image.width)):
        height, width = region.size or (0, 0)
        raise DataError(
            f"{region.what} is for an image of {width} x {height} pixels and {image.file} has "
            f"{image.width} x {image.height}; use the same file in Label Studio and here."
        )


def _class_id(project: Project, name: str) -> str:
    known = (one.id for one in project.document.classes.values() if one.name == name)
    return next(known, None) or add_class(project, name, _LONGEST_NAME)


def _usable(
    workspace: Workspace, image_id: str, classes: dict[str, str], numbers: NDArray[np.uint8]
) -> tuple[list[str], list[str]]:
    """The names of the classes that can be learned from the mask of an image, and why others cannot."""
    names, left_out = [], []
    for name, class_id in classes.items():
        mask = numbers == workspace.project.one_class(class_id).number
        try:
            if mask.any():
                workspace.work.teacher.check_example(image_id, mask)
                names.append(name)
        except DataError as error:
            left_out.append(f"Nothing is learned about {name}: {error}")
    return names, left_out
