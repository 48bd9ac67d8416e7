"""What the page shows: images at the size of a screen, results with their words, the classes so far."""

from __future__ import annotations

import html
from collections.abc import Iterable

import numpy as np
from PIL import Image
from torch import Tensor

from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.segmentation import Segmentation
from cdpnet.labels.overlay import overlay, score_map
from cdpnet.labels.png import colour_of
from cdpnet.report.images import data_address, to_image

_SIDE = 640  # pixels of the longer side, on the screen


def at_view_size(image: Tensor) -> Image.Image:
    """An image (3, H, W) uint8 with its longer side at the size of the screen, smaller or larger than it was."""
    full = to_image(image)
    scale = _SIDE / max(full.size)
    size = (max(1, round(full.width * scale)), max(1, round(full.height * scale)))
    return full.resize(size, Image.Resampling.BICUBIC)


def result(shown: Tensor, found: Segmentation, scores_of: str | None) -> Image.Image:
    """An image (3, h, w) at view size with its mask laid over, or with the scores of one class."""
    size = (shown.shape[2], shown.shape[1])
    if scores_of in found.classes:
        scores = Image.fromarray(found.scores[found.classes.index(scores_of)])
        return score_map(shown, np.array(scores.resize(size, Image.Resampling.BILINEAR)))
    return overlay(shown, np.array(Image.fromarray(found.mask).resize(size, Image.Resampling.NEAREST)))


def in_words(found: Segmentation) -> str:
    """What is in an image, a line for each class."""
    said = []
    for number, (name, absent) in enumerate(zip(found.classes, found.absent, strict=True), start=1):
        share = 100 * float((found.mask == number).mean())
        if share:
            said.append(
                f"{name} {share:.1f}\N{NO-BREAK SPACE}%" if share >= 0.1 else f"{name} below 0.1\N{NO-BREAK SPACE}%"
            )
        else:
            said.append(f"{name} not here" if absent else f"{name} below the threshold")
    return "\n".join(said)


def summary(images: int, counts: dict[str, int]) -> str:
    """How many images each class is in."""
    if not images:
        return ""
    said = ", ".join(f"{name} in {count or 'none'}" for name, count in counts.items())
    many = f"{images} image{'s' * (images > 1)}"
    return f"{many}: {said}." if said else f"{many} to look at; teach a class, and it is looked for at once."


def class_list(classes: Iterable[ClassPrototype]) -> str:
    """The classes so far as HTML, each with its colour, a look and the number of its examples."""
    items = []
    for number, learned in enumerate(classes, start=1):
        red, green, blue = colour_of(number)
        name, shots = html.escape(learned.name), learned.shots
        unread = "" if learned.by_name or not learned.reads_name else ", the name is new to the model"
        items.append(
            f"<li style='--class: rgb({red} {green} {blue})'>"
            f"<img alt='' src='{data_address(Image.fromarray(learned.thumbnail))}'>"
            f"<span><b>{name}</b><small>{shots} example{'s' * (shots > 1)}{unread}</small></span></li>"
        )
    return f"<ul class='classes' aria-label='Classes so far'>{''.join(items)}</ul>" if items else ""


def note(text: str, *, bad: bool = False) -> str:
    """A line that says what happened, for people and for their screen readers."""
    return (
        f"<p class='note{' bad' * bad}' role='{'alert' if bad else 'status'}'>{html.escape(text)}</p>" if text else ""
    )
