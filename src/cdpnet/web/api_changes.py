"""Requests that change a project; each is answered with the whole state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import cast, get_args

from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError
from cdpnet.projects import editing
from cdpnet.projects.editing import Verdict
from cdpnet.values import JSON
from cdpnet.web.call import Call
from cdpnet.web.pictures import at_full_size
from cdpnet.web.samples import render_samples
from cdpnet.web.uploads import add_files

Change = Callable[[Call], "dict[str, JSON] | None"]  # gives what the answer has beside the state


def add_samples(call: Call) -> dict[str, JSON]:
    """Add the sample images that are not there yet."""
    project = call.workspace.project
    present = {image.file for image in project.document.images.values()}
    samples = [(name, BytesIO(content)) for name, content in render_samples().items() if name not in present]
    return {"refused": add_files(project, samples, call.limits)}


def remove_image(call: Call) -> None:
    """Remove an image."""
    editing.remove_image(call.workspace.project, call.ids["image"])


def put_mask(call: Call) -> dict[str, JSON]:
    """Replace the pixels of a class in an image."""
    project, image = call.workspace.project, call.image
    if image.reason:
        raise DataError(f"{image.file} cannot be marked: {image.reason}")
    mask = call.mask(image)
    if mask is None:
        raise FieldError("mask is missing")
    full = at_full_size(mask, (image.height, image.width))
    with project.lock:
        editing.correct(project, image.id, call.fields.whole("revision"), call.fields.text("class"), full)
        return _made(call, image.id)


def review(call: Call) -> dict[str, JSON]:
    """Accept or reject the mask of an image."""
    verdict = call.fields.text("verdict")
    if verdict not in get_args(Verdict):
        raise FieldError(f"verdict is not one of {', '.join(get_args(Verdict))}")
    project, image_id = call.workspace.project, call.ids["image"]
    with project.lock:
        editing.review(project, image_id, call.fields.whole("revision"), cast("Verdict", verdict))
        return _made(call, image_id)


def add_class(call: Call) -> None:
    """Add a class."""
    editing.add_class(call.workspace.project, call.fields.text("name"), call.limits.name)


def rename_class(call: Call) -> None:
    """Rename a class."""
    editing.rename_class(call.workspace.project, call.ids["class"], call.fields.text("name"), call.limits.name)


def remove_class(call: Call) -> None:
    """Remove a class."""
    editing.remove_class(call.workspace.project, call.ids["class"])


def add_example(call: Call) -> dict[str, JSON]:
    """Use the mask of an image as an example, if a class can be learned from it."""
    workspace, image_id = call.workspace, call.fields.text("image")
    project = workspace.project
    with project.lock:
        image, one = project.image(image_id), project.one_class(call.fields.text("class"))
        revision, mask = call.fields.whole("revision"), project.mask(image) == one.number
    if mask.any():
        workspace.work.teacher.check_example(image_id, mask)
    with project.lock:
        editing.add_example(project, image_id, one.id, revision, call.limits.examples)
        return _made(call, image_id)


def switch_example(call: Call) -> None:
    """Switch an example on or off."""
    editing.switch_example(call.workspace.project, call.ids["example"], enabled=call.fields.switch("enabled"))


def remove_example(call: Call) -> None:
    """Remove an example."""
    editing.remove_example(call.workspace.project, call.ids["example"])


def configure(call: Call) -> None:
    """Change the settings."""
    project = call.workspace.project
    with project.lock:
        settings = project.document.settings
        if "threshold" in call.fields:
            threshold = call.fields.number("threshold")
            if not 0 < threshold < 1:
                raise FieldError("threshold is not between 0 and 1")
            own = round(call.workspace.work.encoded.segmenter.threshold, 4)
            settings = replace(settings, threshold=None if threshold == own else threshold)
        if "presence" in call.fields:
            settings = replace(settings, presence=call.fields.switch("presence"))
        editing.configure(project, settings)


def undo(call: Call) -> dict[str, JSON]:
    """Take the last change back."""
    return {"renamed": {**call.workspace.project.undo()}}


def redo(call: Call) -> dict[str, JSON]:
    """Do the change again that was taken back last."""
    return {"renamed": {**call.workspace.project.redo()}}


def _made(call: Call, image_id: str) -> dict[str, JSON]:
    """The revision of an image that a change made, whatever others have changed when the state is told."""
    return {"made": call.workspace.project.image(image_id).revision}
