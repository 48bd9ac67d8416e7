"""What a user should know about how label files were read: what is left out, or read in one of several ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Note(NamedTuple):
    """Something that holds for ``times`` objects of a file: a sentence without its full stop, in the plural."""

    text: str
    times: int = 1


def summarise(notes: Iterable[Note]) -> list[str]:
    """Each sentence once, with the number of objects that it holds for in all files."""
    counts = Counter[str]()
    for text, times in notes:
        counts[text] += times
    return [f"{text} ({count})" for text, count in counts.items()]
