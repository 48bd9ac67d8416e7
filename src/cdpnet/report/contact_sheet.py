"""The contact sheet of a labelling job: every image with its labels, the most uncertain first."""

from __future__ import annotations

import html
from pathlib import Path
from urllib.parse import quote

from cdpnet.bulk.job import PAGE, JobResult
from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller, disk_error, thumbnail_file
from cdpnet.errors import DataError
from cdpnet.io.files import write_text
from cdpnet.report.html import class_dot, render_page
from cdpnet.report.images import data_address, example_image
from cdpnet.runtime.text import counted

_EACH = 240  # images of a page
_LINKED = 10  # pages before and after one that it links to
_STYLE = """
:root { --quiet: color-mix(in srgb, currentColor 60%, transparent);
  --line: color-mix(in srgb, currentColor 15%, transparent); }
body { max-width: 84rem; }
h1 { font-size: 1.5rem; margin-bottom: .25rem; }
p, small { color: var(--quiet); }
ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .75rem 1.5rem; }
li { display: flex; align-items: center; gap: .6rem; }
li img { width: 3rem; height: 3rem; object-fit: contain; border-radius: 6px; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1.5rem 1rem; }
figure img { width: 100%; height: 10rem; object-fit: contain; background: var(--line); border-radius: 8px; }
figcaption { overflow-wrap: anywhere; font-size: .9rem; line-height: 1.35; padding-top: .35rem; }
figcaption i.class { width: .6rem; height: .6rem; margin-right: .25rem; }
meter { width: 100%; height: .5rem; display: block; margin: .3rem 0; }
nav { margin: 2rem 0; display: flex; flex-wrap: wrap; gap: 1rem; }
"""


def write_sheet(result: JobResult, labeller: Labeller) -> Path:
    """Write the pages of a job, the first of them index.html. DataError where the disk is full."""
    order = sorted((-record.uncertainty, record.labels.image) for record in result.journal.records(result.images))
    pages = [order[start : start + _EACH] for start in range(0, len(order), _EACH)] or [[]]
    out, summary = labeller.target.out, _summary(result, labeller)
    title = f"{counted(result.n_images - len(result.failed), 'image')}, labelled"
    try:
        for number, page in enumerate(pages):
            figures = [_figure(record, labeller) for record in result.journal.records([image for _, image in page])]
            body = f"{summary}<main>{''.join(figures)}</main>{_links(number, len(pages))}"
            write_text(render_page(title, _STYLE, body), out / _page(number))
    except OSError as error:
        raise DataError(disk_error(out, error)) from None
    return out / PAGE


def _page(number: int) -> str:
    return PAGE if number == 0 else f"index-{number + 1}.html"


def _summary(result: JobResult, labeller: Labeller) -> str:
    """The classes with an example each, and the images that could not be read."""
    numbered = [(learned, labeller.target.classes.index(learned.name) + 1) for learned in labeller.classes]
    legend = [
        f"<li><img alt='' src='{data_address(example_image(learned.thumbnail, number))}'>"
        f"{class_dot(number)}{html.escape(learned.name)}</li>"
        for learned, number in numbered
    ]
    broken = [f"<li>{html.escape(image)}: {html.escape(reason)}</li>" for image, reason in result.failed.items()]
    unread = f"<h2>Could not be read</h2><ul>{''.join(broken)}</ul>" if broken else ""
    return (
        "<p>The most uncertain come first: correct from the top for as long as it pays. Uncertainty is one minus the "
        f"overlap with the true mask that the scores lead to expect.</p><ul>{''.join(legend)}</ul>{unread}"
    )


def _figure(record: JournalRecord, labeller: Labeller) -> str:
    found, names = record.labels, labeller.target.classes
    shown = [f"{class_dot(names.index(label) + 1)}{html.escape(label)}" for label in found.class_names] or [
        "<small>nothing found</small>"
    ]
    said = ", ".join(found.class_names) or "nothing found"
    image = html.escape(found.image, quote=True)
    return (
        f'<figure><img loading=lazy alt="{image}: {html.escape(said, quote=True)}" '
        f'src="{quote(thumbnail_file(found.image))}">'
        f"<figcaption><meter min=0 max=1 low=0.35 high=0.6 optimum=0 value={record.uncertainty:.2f} "
        f"title='uncertainty'>{record.uncertainty:.2f}</meter>{image} "
        f"<small>uncertainty {record.uncertainty:.2f}</small><br>"
        f"{' '.join(shown)}</figcaption></figure>"
    )


def _links(number: int, count: int) -> str:
    """The first and the last page and those nearby, if there are any; all would be the square of their number."""
    if count == 1:
        return ""
    near = range(max(0, number - _LINKED), min(count, number + _LINKED + 1))
    shown = sorted({0, *near, count - 1})
    links = [f"<b>{i + 1}</b>" if i == number else f"<a href='{_page(i)}'>{i + 1}</a>" for i in shown]
    return f"<nav aria-label='Pages'>{' '.join(links)}</nav>"
