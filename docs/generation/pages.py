"""Put generated tables into the pages that ask for them by a line such as ``<!-- generated: commands -->``."""

from __future__ import annotations

import re
from collections.abc import Callable

from docs.generation import commands, configuration, models

_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def fill(text: str) -> str:
    """The text of a page with its generated parts. KeyError for a part that nothing makes."""
    parts: dict[str, Callable[[], str]] = {
        "commands": commands.markdown,
        "configuration": configuration.markdown,
        "models": models.markdown,
    }
    return _MARK.sub(lambda mark: parts[mark[1]](), text)
