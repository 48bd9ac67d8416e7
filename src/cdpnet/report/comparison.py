"""A page about labels and the truth: IoU of the classes, which are confused, and the worst images."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cdpnet.io.files import write_text
from cdpnet.io.image_tensors import read_image
from cdpnet.labels.comparison import Comparison, ImageComparison
from cdpnet.labels.overlay import overlay
from cdpnet.labels.regions import ImageLabels
from cdpnet.report.html import class_dot, render_page
from cdpnet.report.images import data_address
from cdpnet.runtime.text import counted, escape

_WORST = 24  # images on the page
_SIDE = 480  # pixels of the longer side of an image on it
_NO_CLASS = "no class"
_STYLE = """
body { max-width: 84rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; text-align: right; }
tr { border-bottom: 1px solid color-mix(in srgb, GrayText 40%, transparent); }
th:first-child, td:first-child { text-align: left; }
td i.class { margin-right: .5rem; }
div.scroll { overflow-x: auto; }
section { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 1.5rem 1rem; }
figure div { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
img { width: 100%; border-radius: 4px; display: block; }
figcaption { overflow-wrap: anywhere; padding-top: .35rem; }
figcaption, p { color: GrayText; }
"""


def write_comparison(comparison: Comparison, images: Path, page: Path) -> None:
    """Write the page, one file with all images in it. images: their folder. DataError where one cannot be read."""
    figures = "".join(_figure(image, comparison.classes, images) for image in comparison.images[:_WORST])
    parts = [
        f"<p>{counted(len(comparison.images), 'image is', 'images are')} compared. IoU is the share of the pixels of a "
        "class, in the labels or in the truth, that are in both.</p>",
        _class_table(comparison),
        "<h2>Confused classes</h2><p>Percent of the pixels of a class in the truth that the labels give to each.</p>",
        _confusion_table(comparison),
        _list("Not in the labels", comparison.not_found),
        _list("Not compared", [f"{image}: {reason}" for image, reason in comparison.failed.items()]),
        "<h2>The worst images</h2><p>Left the truth, right the labels, in the colours of the classes above.</p>",
        f"<section>{figures}</section>",
    ]
    title = f"IoU {format_percent(comparison.mean_iou)} on average"
    write_text(render_page(title, _STYLE, "".join(parts)), page)


def format_percent(share: float) -> str:
    """A share in percent, or nothing for NaN."""
    return "" if math.isnan(share) else f"{100 * share:.1f}"


def _class_table(comparison: Comparison) -> str:
    confusion = comparison.confusion
    rows = [
        (
            class_dot(i) + html.escape(name),
            format_percent(iou),
            f"{confusion[i].sum():,}",
            f"{confusion[:, i].sum():,}",
        )
        for i, (name, iou) in enumerate(zip(comparison.classes, comparison.iou.tolist(), strict=True), start=1)
    ]
    return _table(("class", "IoU %", "pixels in the truth", "in the labels"), rows)


def _confusion_table(comparison: Comparison) -> str:
    names = (_NO_CLASS, *comparison.classes)
    totals = comparison.confusion.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        shares = comparison.confusion / totals
    rows = [(html.escape(name), *map(format_percent, row)) for name, row in zip(names, shares.tolist(), strict=True)]
    return _table(("truth", *names), rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of headings in plain text, and of cells in HTML."""
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _list(title: str, lines: list[str]) -> str:
    items = "".join(f"<li>{html.escape(escape(line))}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if lines else ""


def _figure(image: ImageComparison, classes: tuple[str, ...], folder: Path) -> str:
    name = image.truth.image
    figures = [
        f"{class_name} {format_percent(iou)}"
        for class_name, iou in zip(classes, image.iou.tolist(), strict=True)
        if not math.isnan(iou)
    ]
    shown = "".join(
        f"<img alt='{html.escape(f'{side} of {escape(name)}')}' src='{data_address(_draw(labels, classes, folder))}'>"
        for side, labels in (("truth", image.truth), ("labels", image.found))
    )
    caption = html.escape(f"{escape(name)}: {', '.join(figures) or 'nothing in either'}")
    return f"<figure><div>{shown}</div><figcaption>{caption}</figcaption></figure>"


def _draw(labels: ImageLabels, classes: tuple[str, ...], folder: Path) -> Image.Image:
    drawn = overlay(read_image(folder / labels.image), labels.only(classes).class_numbers(classes).astype(np.uint8))
    drawn.thumbnail((_SIDE, _SIDE))
    return drawn
