"""Values of foreign JSON by their kind; each function returns the value, or raises a FieldError.

The reader of a format catches the error and says which file it is about.
"""

from __future__ import annotations

import math

from cdpnet.errors import DataError
from cdpnet.values import JSON


class FieldError(DataError):
    """What is wrong with a value, as the second half of a sentence about the file."""


class JsonObject(dict[str, JSON]):
    """An object of JSON. The methods read the value of a key that must be there.

    what: the name of the value in messages; without one it is called by its key.
    """

    __slots__ = ()

    def require(self, key: str) -> JSON:
        """A value of any kind."""
        if key not in self:
            raise FieldError(f"{key} is missing")
        return self[key]

    def nested(self, key: str, what: str = "") -> JsonObject:
        """An object in this one."""
        return as_object(self.require(key), what or key)

    def entries(self, key: str, what: str = "", most: int | None = None) -> list[object]:
        """The entries of a list; most: of them, where there is a bound."""
        return as_list(self.require(key), what or key, most)

    def text(self, key: str, what: str = "") -> str:
        """A string."""
        return as_text(self.require(key), what or key)

    def name(self, key: str, what: str = "") -> str:
        """A string, or a whole number as text."""
        return as_name(self.require(key), what or key)

    def whole(self, key: str, what: str = "") -> int:
        """A whole number."""
        return as_whole(self.require(key), what or key)

    def number(self, key: str, what: str = "") -> float:
        """A finite number."""
        return as_number(self.require(key), what or key)

    def switch(self, key: str) -> bool:
        """True or false."""
        value = self.require(key)
        if not isinstance(value, bool):
            raise FieldError(f"{key} is not true or false")
        return value


def as_object(value: object, what: str) -> JsonObject:
    """An object of JSON. what: its name in messages."""
    if not isinstance(value, dict):
        raise FieldError(f"{what} is not an object with keys")
    return JsonObject(value)


def as_list(value: object, what: str, most: int | None = None) -> list[object]:
    """A list of JSON; most: of its entries, where there is a bound."""
    if not isinstance(value, list):
        raise FieldError(f"{what} is not a list")
    if most is not None and len(value) > most:
        raise FieldError(f"{what} has {len(value):,} entries, and at most {most:,} are read")
    return value


def as_text(value: object, what: str) -> str:
    """A string of JSON."""
    if not isinstance(value, str):
        raise FieldError(f"{what} is not a text")
    return value


def as_name(value: object, what: str) -> str:
    """A string of JSON, or a whole number as text, since some tools number their classes."""
    return str(value) if type(value) is int else as_text(value, what)


def as_whole(value: object, what: str) -> int:
    """A whole number, also where it is written as 5.0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise FieldError(f"{what} is not a whole number")
    return int(value)


def as_number(value: object, what: str) -> float:
    """A finite number."""
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FieldError(f"{what} is not a finite number")
    return number


def as_point(value: object, what: str) -> tuple[float, float]:
    """A list x, y of finite numbers."""
    values = as_list(value, what)
    if len(values) != 2:
        raise FieldError(f"{what} is not a pair x, y")
    return as_number(values[0], what), as_number(values[1], what)
