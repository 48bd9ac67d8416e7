"""Images of a project as the page shows them, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cdpnet.projects import editing
from cdpnet.projects.folder import held
from cdpnet.projects.project import Project
from cdpnet.web.pictures import Pictures
from tests.projects.making import SIZE, draw_images, image_of, object_mask, teach


def test_an_example_is_shown_with_the_mask_that_is_learned(tmp_path: Path) -> None:
    """Not with the mask that its image has meanwhile, or with other classes in it."""
    draw_images(tmp_path / "images")
    with held(tmp_path) as folder:
        project = Project(folder)
        pictures, nothing = Pictures(project), np.zeros(SIZE, np.bool_)
        class_id = teach(project)
        (example,) = project.document.examples.values()
        learned = pictures.example(example).tobytes()
        assert learned == pictures.thumbnail(image_of(project, "a.png"), masks=True).tobytes()
        other = editing.add_class(project, "other", 60)
        for changed, mask in ((other, ~object_mask(0)), (class_id, nothing)):
            image = image_of(project, "a.png")
            editing.correct(project, image.id, image.revision, changed, mask)
        assert learned != pictures.thumbnail(image_of(project, "a.png"), masks=True).tobytes()
        assert learned == pictures.example(example).tobytes()

        # Where the class is not there, nothing is marked.
        image = image_of(project, "b.png")
        empty = pictures.thumbnail(image, masks=True).tobytes()
        editing.correct(project, image.id, image.revision, other, object_mask(1))
        image = image_of(project, "b.png")
        absent = editing.add_example(project, image.id, class_id, image.revision)
        assert empty == pictures.example(project.example(absent)).tobytes()
