"""Parts of a page in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cdpnet.report.tables import markdown_table


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    return "\n".join(markdown_table(headings, rows))


def code(text: str) -> str:
    """Text as code; nothing for no text."""
    return f"`{text}`" if text else ""


def options_as_code(text: str) -> str:
    """A sentence in which the options of commands are code, so that no line ends with their dashes."""
    return re.sub(r"(?<![\w`-])--[a-z][a-z.-]*[a-z]", r"`\g<0>`", text)
