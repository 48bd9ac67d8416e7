"""Texts for people: names from outside as they are shown, numbers of things, and which names a class may have."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from cdpnet.errors import DataError

_NO_NAME = {"Cc", "Cs", "Zl", "Zp"}  # categories of Unicode: control characters, lone surrogates, line separators


def escape(text: str) -> str:
    r"""A text on one line that a terminal shows and never obeys: what cannot be printed becomes an escape such as \x1b.

    Everything that the command line prints goes through this function.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def encode(text: str) -> bytes:
    """A text in UTF-8 that may hold names of files, which need not be text."""
    return text.encode("utf-8", "surrogatepass")


def counted(number: int, one: str, several: str = "") -> str:
    """A number of things with their name, whose plural is ``several``, or by default ends with s."""
    return f"{number:,} {form(number, one, several or one + 's')}"


def form(number: int, one: str, several: str) -> str:
    """The form of a word that goes with a number of things, such as is and are."""
    return one if number == 1 else several


def listed(values: Sequence[object], most: int = 10) -> str:
    """Some values for a message: the first ones, and how many there are more."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + more


def alternatives(values: Sequence[object], most: int = 5) -> str:
    """Some values of which one may be meant, for a message, as `listed`."""
    more = f" or {len(values) - most} more" if len(values) > most else ""
    return " or ".join(map(str, values[:most])) + more


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A text with other names in place of some, of which one may be the beginning of another."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return text


def check_class_name(name: str, where: str = "The name of a class") -> str:
    """The name of a class. DataError where it holds a line break or another control character.

    Names are written to files with one name a line, and shown on terminals. where: what the message begins with.
    """
    if any(unicodedata.category(char) in _NO_NAME for char in name):
        raise DataError(f"{where} holds a control character: {escape(name[:80])}; write it without.")
    return name
