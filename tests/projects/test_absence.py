"""Examples of the absence of a class: images in which a person says that it is not."""

from __future__ import annotations

import numpy as np
import pytest

from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype, load_class
from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.projects import editing
from cdpnet.projects.project import Project
from cdpnet.projects.segmenting import ProjectSegmenter
from tests.projects.making import SIZE, image_of, object_mask, teach


def learned_class(project: Project, class_id: str) -> ClassPrototype:
    """The class as its file has it."""
    return load_class(project.folder / editing.class_file(class_id))


def teach_absence(project: Project, name: str, class_id: str) -> str:
    """Say that a class is not in an image, and use that as an example; gives its id."""
    image = image_of(project, name)
    editing.correct(project, image.id, image.revision, class_id, np.zeros(SIZE, np.bool_))
    return editing.add_example(project, image.id, class_id, image_of(project, name).revision)


def test_images_without_a_class_set_the_presence_below_which_it_is_absent(
    project: Project, segmenter: Segmenter
) -> None:
    work = ProjectSegmenter(project, EncodedImages(segmenter))
    class_id = teach(project)
    work.run()
    own, found = learned_class(project, class_id), image_of(project, "c.png").findings[0].presence
    assert own.min_presence is None

    example = teach_absence(project, "b.png", class_id)
    assert project.example(example).absent
    assert not (project.folder / editing.example_file(example)).exists()
    work.run()
    images = project.folder / "images"
    expected = segmenter.learn_absence(segmenter.learn("thing", images / "a.png", object_mask(0)), [images / "b.png"])
    assert learned_class(project, class_id).min_presence == expected.min_presence
    assert expected.min_presence is not None
    assert project.mask(image_of(project, "c.png")).any() == (found >= expected.min_presence)

    opened = Project(project.folder)
    assert opened.example(example).absent
    editing.switch_example(opened, example, enabled=False)
    ProjectSegmenter(opened, EncodedImages(segmenter)).run()
    assert learned_class(opened, class_id).min_presence is None
    for _ in range(3):
        opened.undo()
    assert len(opened.document.examples) == 1


def test_a_class_needs_an_example_that_shows_it(project: Project, segmenter: Segmenter) -> None:
    class_id = editing.add_class(project, "thing", 60)
    with pytest.raises(DataError, match=r"thing is not marked in b\.png; mark it"):
        teach_absence(project, "b.png", class_id)
    teach(project)
    shown = next(iter(project.document.examples))
    teach_absence(project, "b.png", class_id)
    editing.remove_example(project, shown)
    ProjectSegmenter(project, EncodedImages(segmenter)).run()
    assert not project.one_class(class_id).pooled
    with pytest.raises(DataError, match=r"thing is not marked in c\.png"):
        teach_absence(project, "c.png", class_id)
