"""What the page shows: images at view size, results with captions, the list of classes."""

from __future__ import annotations

import html
from collections.abc import Iterable

import numpy as np
from PIL import Image
from torch import Tensor

from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.segmentation import Segmentation
from cdpnet.labels.overlay import overlay, score_map
from cdpnet.labels.palette import colour_of
from cdpnet.report.images import data_address, to_image

_VIEW_SIDE = 640  # pixels of the longer side


def at_view_size(image: Tensor) -> Image.Image:
    """An image (3, H, W) uint8 reduced or enlarged to view size."""
    full = to_image(image)
    scale = _VIEW_SIDE / max(full.size)
    size = (max(1, round(full.width * scale)), max(1, round(full.height * scale)))
    return full.resize(size, Image.Resampling.BICUBIC)


def draw_result(view: Tensor, segmentation: Segmentation, scores_of: str | None) -> Image.Image:
    """An image (3, h, w) at view size with its mask, or with the scores of one class."""
    size = (view.shape[2], view.shape[1])
    if scores_of in segmentation.classes:
        scores = Image.fromarray(segmentation.scores[segmentation.classes.index(scores_of)])
        return score_map(view, np.array(scores.resize(size, Image.Resampling.BILINEAR)))
    return overlay(view, np.array(Image.fromarray(segmentation.mask).resize(size, Image.Resampling.NEAREST)))


def describe(segmentation: Segmentation) -> str:
    """The result in words: for each class, on a line of its own, its share of the image or why it has no mask."""
    lines = []
    for number, (name, absent) in enumerate(zip(segmentation.classes, segmentation.absent, strict=True), start=1):
        percent = 100 * float((segmentation.mask == number).mean())
        if percent:
            share = f"{percent:.1f}" if percent >= 0.1 else "below 0.1"
            lines.append(f"{name} {share}\N{NO-BREAK SPACE}%")
        else:
            lines.append(f"{name} not present" if absent else f"{name} below the threshold")
    return "\n".join(lines)


def summarise(images: int, counts: dict[str, int]) -> str:
    """A sentence with the number of images and, for each class, of those that show it."""
    if not images:
        return ""
    per_class = ", ".join(f"{name} in {count or 'none'}" for name, count in counts.items())
    total = f"{images} image{'s' * (images > 1)}"
    return f"{total}: {per_class}." if per_class else f"{total} to segment; add an example of a class first."


def class_list(classes: Iterable[ClassPrototype]) -> str:
    """The classes as an HTML list, each with its colour, a thumbnail and the number of its examples."""
    items = []
    for number, learned in enumerate(classes, start=1):
        red, green, blue = colour_of(number)
        name, shots = html.escape(learned.name), learned.shots
        unrecognised = "" if learned.by_name or not learned.reads_name else ", name not recognised by the model"
        items.append(
            f"<li style='--class: rgb({red} {green} {blue})'>"
            f"<img alt='' src='{data_address(Image.fromarray(learned.thumbnail))}'>"
            f"<span><b>{name}</b><small>{shots} example{'s' * (shots > 1)}{unrecognised}</small></span></li>"
        )
    return f"<ul class='classes' aria-label='Classes'>{''.join(items)}</ul>" if items else ""


def note(text: str, *, bad: bool = False) -> str:
    """A message as HTML, with the role that screen readers announce it by."""
    return (
        f"<p class='note{' bad' * bad}' role='{'alert' if bad else 'status'}'>{html.escape(text)}</p>" if text else ""
    )
