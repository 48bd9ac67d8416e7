"""The masks of a project as labels, which every label format can write."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cdpnet.errors import DataError
from cdpnet.labels.formats import write_labels
from cdpnet.labels.instances import InstanceRules, split_instances
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.labelled_folder import LabelledFolder
from cdpnet.labels.regions import ImageLabels, region_from_mask
from cdpnet.projects.document import Document, ProjectImage
from cdpnet.projects.project import Project


def write_project_labels(
    project: Project,
    target: Callable[[tuple[str, ...]], LabelSet],
    format_name: FormatName,
    instances: InstanceRules | None = None,
) -> None:
    """Write the labels of a project; rejected images and those without a result are left out.

    target: where labels go, from the names of the classes. instances: rules by which objects are told apart; None
    for one region of each class. DataError where there are no labels.
    """
    found = read_project_labels(project)
    labels = list(found.labels.values())
    if instances is not None:
        labels = [split_instances(one, instances) for one in labels]
    write_labels(labels, target(found.classes), format_name)


def read_project_labels(project: Project) -> LabelledFolder:
    """The labels of a project, without rejected images and those without a result. DataError where there are none."""
    with project.lock:
        document = project.document
    labels = {one.image: one for one in _read_labels(project, document)}
    if not labels:
        raise DataError("There are no masks yet; mark an object, or teach a class and wait for its results.")
    names = tuple(one.name for one in sorted(document.classes.values(), key=lambda one: one.number))
    return LabelledFolder("png", names, labels)


def _read_labels(project: Project, document: Document) -> Iterator[ImageLabels]:
    for image in document.images.values():
        if not image.reason and image.review != "rejected" and image.has_result:
            yield labels_of(project, document, image)


def labels_of(project: Project, document: Document, image: ProjectImage) -> ImageLabels:
    """The labels of an image; a region has the score of the network, or 1 where its mask is a person's."""
    numbers = project.mask(image)
    scores = {} if image.is_settled else {found.class_id: found.score for found in image.findings}
    regions = [
        region_from_mask(numbers == one.number, one.name, scores.get(one.id, 1.0))
        for one in document.classes.values()
        if (numbers == one.number).any()
    ]
    return ImageLabels(image.file, image.height, image.width, tuple(regions))
