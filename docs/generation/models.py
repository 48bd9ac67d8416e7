"""The table of models, as `cdpnet models --markdown` prints it."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from cdpnet.cli import main


def markdown() -> str:
    """Both tables: what was measured, and where the weights come from."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["models", "--markdown"])
    return printed.getvalue()
