"""Settings of the benchmarks as YAML, and published figures to stand beside ours."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def preset(data: str, encoder: str) -> str | None:
    """The file of settings that the package has for a data set and an encoder, if it has one."""
    file = resources.files(__name__).joinpath(f"{data}-{encoder}.yaml")
    return str(file) if file.is_file() else None


def published(data: str) -> list[dict[str, Any]]:
    """What others report on a data set: method, encoder, mIoU by number of shots, and what to know of it."""
    rows = json.loads(resources.files(__name__).joinpath("published.json").read_text(encoding="utf-8"))
    return [row for row in rows if row["data"] == data]
