"""What a person does in a project: each function is one step, which can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.projects import folder as files
from cdpnet.projects.document import (
    MAX_CLASSES,
    Finding,
    ProjectClass,
    ProjectExample,
    ProjectImage,
    Record,
    Settings,
    order_of,
)
from cdpnet.projects.folder import mask_path
from cdpnet.projects.project import ConflictError, Project, mask_content
from cdpnet.runtime.text import check_class_name

Verdict = Literal["accepted", "rejected", "new"]


def remove_image(project: Project, image_id: str) -> None:
    """Remove an image with its mask and its examples; its file is put aside until this cannot be taken back."""
    with project.lock:
        image = project.image(image_id)
        examples = [e.id for e in project.document.examples.values() if e.image == image_id]
        project.commit(
            f"The removal of {image.file}",
            {image_id: None, **dict.fromkeys(examples)},
            {**_own_mask(project, image), **dict.fromkeys(map(example_file, examples))},
            files.put_aside(project.folder, image),
        )


def correct(project: Project, image_id: str, revision: int, class_id: str, mask: NDArray[np.bool_]) -> None:
    """Replace the pixels of a class in an image by a mask (H, W); other classes keep theirs outside of it.

    ConflictError where a person has changed the image since the revision, unless the one change was that this mask was
    saved, as when the answer was lost.
    """
    with project.lock:
        image = project.image(image_id)
        one, numbers = project.one_class(class_id), project.mask(image)
        if mask.shape != numbers.shape:
            raise DataError(f"The mask has another size than {image.file}.")
        is_there = image.is_drawn(class_id) and np.array_equal(numbers == one.number, mask)
        before = project.before_last_step(image_id)
        is_own = isinstance(before, ProjectImage) and before.touched <= revision < image.touched
        if is_there and is_own:
            return
        _at_revision(project, image_id, revision, or_renewed=True)
        numbers[numbers == one.number] = 0
        numbers[mask] = one.number
        corrected, content = _with_drawn(project, image, class_id, numbers), mask_content(numbers)
        project.commit(
            f"The correction of {one.name} in {image.file}", {image_id: corrected}, {mask_path(image): content}
        )


def review(project: Project, image_id: str, revision: int, verdict: Verdict) -> None:
    """Accept or reject the mask of an image, or leave it to the network again.

    ConflictError where the image has another revision. DataError where there is nothing to accept.
    """
    with project.lock:
        image = _at_revision(project, image_id, revision)
        if image.reason:
            raise DataError(f"{image.file} cannot be reviewed: {image.reason}")
        if verdict == "accepted" and not image.has_result:
            raise DataError(f"{image.file} has no result yet that could be accepted; teach a class first.")
        if verdict == "new":
            changed = replace(image, review="", edited=False, drawn=(), findings=(), found_with="", reviewed=0)
            content = None
        else:
            changed = replace(image, review=verdict, reviewed=project.document.revision + 1)
            content = files.read_file(project.folder, mask_path(image))
        project.commit(f"The verdict on {image.file}", {image_id: changed}, {mask_path(image): content})


def add_class(project: Project, name: str, longest: int) -> str:
    """Add a class without examples; returns its id. DataError for a name that cannot be used. longest: characters."""
    with project.lock:
        name = _check_name(project, name, longest)
        names = project.document.names
        if name not in names:
            names = (*names, name)
        if len(names) > MAX_CLASSES:
            raise DataError(f"A project has at most {MAX_CLASSES} classes, also counting removed ones.")
        one = ProjectClass(project.new_id("c"), name, names.index(name) + 1)
        project.document = replace(project.document, names=names)
        project.commit(f"The new class {name}", {one.id: one})
        return one.id


def rename_class(project: Project, class_id: str, name: str, longest: int) -> None:
    """Give a class another name. DataError for a name that cannot be used."""
    with project.lock:
        one = project.one_class(class_id)
        name = _check_name(project, name, longest, renamed=one)
        names = project.document.names
        if name in names and names.index(name) != one.number - 1:
            raise DataError(f"{name!r} is the name of a removed class; choose another one.")
        project.commit(f"The new name of {one.name}", {class_id: replace(one, name=name)})


def remove_class(project: Project, class_id: str) -> None:
    """Remove a class with its examples and its pixels in all masks."""
    with project.lock:
        one, document = project.one_class(class_id), project.document
        examples = [e.id for e in document.examples.values() if e.class_id == class_id]
        records: dict[str, Record | None] = {class_id: None, **dict.fromkeys(examples)}
        contents: dict[str, bytes | None] = dict.fromkeys(map(example_file, examples))
        contents[class_file(class_id)] = None
        for image in document.images.values():
            has_mask = not image.reason and (project.folder / mask_path(image)).exists()
            numbers = project.mask(image) if has_mask else np.zeros((1, 1), np.uint8)
            if class_id not in image.drawn and not (numbers == one.number).any():
                continue
            records[image.id] = _without_class(image, class_id)
            if has_mask:
                contents[mask_path(image)] = mask_content(np.where(numbers == one.number, 0, numbers).astype(np.uint8))
        project.commit(f"The removal of the class {one.name}", records, contents)


def add_example(project: Project, image_id: str, class_id: str, revision: int, most: int | None = None) -> str:
    """Use an image as an example of a class by its present mask, in the place of an earlier one; gives its id.

    The mask of the class is a person's then. Where the class is not marked, it is an example of its absence, for a
    class that has another example. most: number of examples of the project. ConflictError where the mask of the class
    may have changed since the revision. DataError for a class without an example.
    """
    with project.lock:
        is_drawn = project.image(image_id).is_drawn(class_id)
        image = _at_revision(project, image_id, revision, or_renewed=is_drawn)
        one, numbers = project.one_class(class_id), project.mask(image)
        mask = numbers == one.number
        document, absent = project.document, not mask.any()
        if absent and all(e.absent or e.class_id != class_id for e in document.examples.values()):
            raise DataError(f"{one.name} is not marked in {image.file}; mark it, save the mask, then use it.")
        earlier = [e.id for e in document.examples.values() if (e.image, e.class_id) == (image_id, class_id)]
        if most is not None and len(document.examples) - len(earlier) >= most:
            raise DataError(f"There are {len(document.examples)} examples, and {most} at most; remove some first.")
        example = ProjectExample(project.new_id("e"), image_id, class_id, absent=absent)
        is_own = is_drawn or image.review == "accepted"
        settled = image if is_own else _with_drawn(project, image, class_id, numbers)
        project.commit(
            f"The example of {one.name} in {image.file}",
            {**dict.fromkeys(earlier), example.id: example, image_id: settled},
            {
                **dict.fromkeys(map(example_file, earlier)),
                mask_path(image): files.read_file(project.folder, mask_path(image)),
                example_file(example.id): None if absent else mask_content(mask.astype(np.uint8)),
            },
        )
        return example.id


def switch_example(project: Project, example_id: str, *, enabled: bool) -> None:
    """Learn the class from an example, or no longer."""
    with project.lock:
        example = project.example(example_id)
        word = "on" if enabled else "off"
        project.commit(f"An example switched {word}", {example_id: replace(example, enabled=enabled)})


def remove_example(project: Project, example_id: str) -> None:
    """Remove an example; the mask of its image stays."""
    with project.lock:
        project.example(example_id)
        project.commit("The removal of an example", {example_id: None}, {example_file(example_id): None})


def configure(project: Project, settings: Settings) -> None:
    """Change the settings; this is no step that is taken back, since a control shows them.

    DataError where the disk cannot be written.
    """
    with project.lock:
        if settings == project.document.settings:
            return
        try:
            project.update(replace(project.document, settings=settings))
        except OSError as error:
            raise files.unwritten(error) from None


def example_file(example_id: str) -> str:
    """The mask of an example below the folder of the project: 1 for the object, 0 for background."""
    return f"{files.EXAMPLES}/{example_id}.png"


def class_file(class_id: str) -> str:
    """The class file below the folder of the project."""
    return f"{files.CLASSES}/{class_id}.safetensors"


def _own_mask(project: Project, image: ProjectImage) -> dict[str, None]:
    """The mask that goes with an image; none where it is that of another image, so that this one cannot be used."""
    others = (one for one in project.document.images.values() if one.id != image.id)
    return {} if any(one.mask_file == image.mask_file for one in others) else {mask_path(image): None}


def count_classes(project: Project, image: ProjectImage, numbers: NDArray[np.uint8]) -> tuple[Finding, ...]:
    """What the mask (H, W) of an image shows: certain for what a person drew, else with the values of the network."""
    counts = np.bincount(numbers.ravel(), minlength=MAX_CLASSES + 1)
    shares = {one.id: float(counts[one.number] / numbers.size) for one in project.document.classes.values()}
    known = {found.class_id: found for found in image.findings if not image.is_drawn(found.class_id)}
    return tuple(
        replace(known.get(key, Finding(key, share, 1.0, 1.0)), share=share)
        for key, share in shares.items()
        if share or key in known
    )


def _with_drawn(project: Project, image: ProjectImage, class_id: str, numbers: NDArray[np.uint8]) -> ProjectImage:
    """An image whose mask (H, W) of a class is a person's; a mask that was so as a whole stays so."""
    is_whole = image.review == "accepted" or (image.edited and not image.drawn)
    drawn = replace(
        image,
        edited=True,
        drawn=() if is_whole else tuple(sorted({*image.drawn, class_id}, key=order_of)),
        found_with="",  # other classes may be found where this one was
        review="",
        reviewed=project.document.revision + 1,
    )
    return replace(drawn, findings=count_classes(project, drawn, numbers))


def _without_class(image: ProjectImage, class_id: str) -> ProjectImage:
    """An image without a class; one in which a person drew nothing else is the network's."""
    findings = tuple(found for found in image.findings if found.class_id != class_id)
    if class_id not in image.drawn:
        return replace(image, findings=findings)
    drawn = tuple(key for key in image.drawn if key != class_id)
    return replace(image, findings=findings, edited=bool(drawn), drawn=drawn, found_with="")


def _at_revision(project: Project, image_id: str, revision: int, *, or_renewed: bool = False) -> ProjectImage:
    """An image at a revision. or_renewed: or one that nobody but the network has changed since."""
    image = project.image(image_id)
    if not (image.touched if or_renewed else image.revision) <= revision <= image.revision:
        raise ConflictError(f"{image.file} was changed meanwhile, in another window or by the network; look again.")
    return image


def _check_name(project: Project, name: str, longest: int, renamed: ProjectClass | None = None) -> str:
    name = " ".join(check_class_name(name).split())
    if not name:
        raise DataError("The class has no name yet; enter one, such as weld crack.")
    if len(name) > longest:
        raise DataError(f"The name has {len(name)} characters; at most {longest} are allowed.")
    others: Mapping[str, ProjectClass] = project.document.classes
    if any(one.name == name and one != renamed for one in others.values()):
        raise DataError(f"There is a class {name!r} already; choose another name.")
    return name
