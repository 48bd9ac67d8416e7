"""Sphinx's settings for the manual: `make docs` builds it into build/docs, with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from cdpnet.runtime import provenance
from docs.generation.pages import fill

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "cdpnet"
author = "The authors of cdpnet"
copyright = "the authors of cdpnet"
version = release = provenance.version()
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["generation", "static"]
smartquotes = False  # they would make a dash of the two that begin an option
default_role = "code"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["manual.css"]
html_title = f"cdpnet {release}"
html_copy_source = False
html_show_sphinx = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
nitpicky = False  # types of other libraries have no pages here, and nothing is downloaded to find them


def setup(app: Sphinx) -> None:
    """Put the generated parts into the pages."""
    app.connect("source-read", _fill)


def _fill(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = fill(source[0])
