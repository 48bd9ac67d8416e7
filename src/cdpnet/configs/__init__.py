"""Settings of the benchmarks as YAML, and published figures to compare with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from importlib import resources
from typing import Self

from cdpnet.values import JSON, decode


@dataclass(frozen=True)
class PublishedResult:
    """The figures that a publication reports on a data set."""

    method: str
    data: str
    encoder: str
    miou: dict[int, float]
    """In percent, by number of shots."""
    note: str
    """Protocol, training and use of text."""

    @classmethod
    def from_json(cls, values: dict[str, JSON]) -> Self:
        """The figures of an object in published.json, whose numbers of shots are strings."""
        found = decode(cls, values)
        return dataclasses.replace(found, miou={int(shots): miou for shots, miou in found.miou.items()})


def preset(data: str, encoder: str) -> str | None:
    """The path of the package's file of settings for a data set and an encoder; None where there is none."""
    file = resources.files(__name__).joinpath(f"{data}-{encoder}.yaml")
    return str(file) if file.is_file() else None


def read_published(data: str) -> list[PublishedResult]:
    """The figures that others report on a data set."""
    rows = json.loads(resources.files(__name__).joinpath("published.json").read_text(encoding="utf-8"))
    return [PublishedResult.from_json(row) for row in rows if row["data"] == data]
