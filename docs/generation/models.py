"""The table of models, as `cdpnet models --markdown` prints it."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

from cdpnet.cli import main


def markdown() -> str:
    """What was measured, and where the weights come from; names are code, which a table does not break."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["models", "--markdown"])
    tables = re.sub(r"^\| ([a-z0-9-]+) \|(?! -)", r"| `\1` |", printed.getvalue(), flags=re.MULTILINE)
    tables = tables.replace("| `model` |", "| model |")
    return tables.replace("timm/", "timm/<wbr>").replace("_clip_", "_<wbr>clip_")  # a line may end there
