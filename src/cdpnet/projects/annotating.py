"""What a person says about a whole image in another tool: its mask and the examples in it, replaced in one step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.projects.document import ProjectExample, Record
from cdpnet.projects.editing import count_classes, example_file
from cdpnet.projects.folder import mask_path
from cdpnet.projects.project import Project, mask_content


def annotate(project: Project, image_id: str, numbers: NDArray[np.uint8], taught: Collection[str]) -> tuple[str, ...]:
    """Replace the mask of an image, and all examples in it; gives the ids of the new ones.

    numbers: of the classes, (H, W), 0 for none. taught: ids of the classes that get an example. DataError for a mask
    of another size.
    """
    with project.lock:
        image, document = project.image(image_id), project.document
        if numbers.shape != (image.height, image.width):
            raise DataError(f"The mask has another size than {image.file}.")
        earlier = [e.id for e in document.examples.values() if e.image == image_id]
        new = [ProjectExample(project.new_id("e"), image_id, class_id) for class_id in taught]
        annotated = replace(image, edited=True, drawn=(), review="", reviewed=document.revision + 1)
        annotated = replace(annotated, findings=count_classes(project, annotated, numbers))
        masks = {e.id: (numbers == project.one_class(e.class_id).number).astype(np.uint8) for e in new}
        records: dict[str, Record | None] = {**dict.fromkeys(earlier), **{e.id: e for e in new}, image_id: annotated}
        contents: dict[str, bytes | None] = {mask_path(image): mask_content(numbers)}
        contents |= dict.fromkeys(map(example_file, earlier))
        contents |= {example_file(key): mask_content(mask) for key, mask in masks.items()}
        project.commit(f"The annotation of {image.file}", records, contents)
        return tuple(masks)


def withdraw(project: Project, image_id: str, examples: Collection[str], revision: int) -> None:
    """Remove examples that are still there, and leave their image to the network if it has this revision still."""
    with project.lock:
        image = project.image(image_id)
        left = [key for key in examples if key in project.document.examples]
        records: dict[str, Record | None] = dict.fromkeys(left)
        contents: dict[str, bytes | None] = dict.fromkeys(map(example_file, left))
        if image.revision == revision:
            records[image_id] = replace(
                image, edited=False, drawn=(), review="", reviewed=0, findings=(), found_with=""
            )
            contents[mask_path(image)] = None
        if records:
            project.commit(f"The removal of the annotation of {image.file}", records, contents)
