"""The frame of the HTML pages."""

from __future__ import annotations

import html

from cdpnet.labels.palette import colour_of

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 0; }
i.class { width: .8rem; height: .8rem; border-radius: 50%; flex: none; display: inline-block; }
"""


def render_page(title: str, style: str, body: str) -> str:
    """A page that needs no other files: ``style`` is CSS besides that of all pages, ``body`` HTML below the title."""
    heading = html.escape(title)
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{heading}</title><style>{_STYLE}{style}</style></head><body><h1>{heading}</h1>{body}</body></html>\n"
    )


def class_dot(index: int) -> str:
    """A dot in the colour that the class of this index in a mask has in overlays."""
    red, green, blue = colour_of(index)
    return f"<i class=class style='background: rgb({red} {green} {blue})'></i>"
