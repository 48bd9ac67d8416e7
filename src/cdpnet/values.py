"""Values of settings: decode them from JSON into dataclasses, and check their ranges. Torch is not imported."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from types import UnionType
from typing import Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from cdpnet.errors import ConfigError, DataError

T = TypeVar("T")
JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
"""A value of a JSON file."""
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple: "a list",
}
_SEEDS = 2**32  # what numpy's generator takes, which published protocols use
_LARGEST = sys.float_info.max
_SHOWN = 60  # characters of a wrong value


def check_seeds(*seeds: int) -> None:
    """ConfigError for a seed that some random number generator cannot take."""
    for seed in seeds:
        if not 0 <= seed < _SEEDS:
            raise ConfigError(f"A seed is a whole number from 0 to {_SEEDS - 1}, not {seed}.")


def check_range(settings: object, low: float, high: float, *names: str) -> None:
    """ConfigError where a field of ``settings``, a number or a tuple of some, is outside low..high or not finite."""
    for name in names:
        value = getattr(settings, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not (low <= number <= high and abs(number) <= _LARGEST):
                raise ConfigError(f"{name} must be {_describe_range(low, high)}, not {number}.")


def check_probability(option: str, value: float | None) -> float | None:
    """The value of an option or an argument, or None. DataError where it is outside 0..1."""
    if value is not None and not 0 <= value <= 1:
        raise DataError(f"{option} is a share from 0 to 1, not {value}.")
    return value


def _describe_range(low: float, high: float) -> str:
    if math.isinf(high):
        return "a finite number" if math.isinf(low) else f"at least {low:g} and finite"
    return f"from {low:g} to {high if isinstance(high, int) else f'{high:g}'}"


def decode(kind: Callable[..., T], values: object, *, strict: bool = False) -> T:
    """A dataclass, and the dataclasses in its fields, from the object of a JSON file; lists become tuples.

    strict: refuse keys that are not fields; otherwise they are ignored. Fields without a key take their default.
    Raises TypeError for a value of another kind, a field that is missing, and, where strict, an unknown key.
    """
    if not isinstance(values, dict):
        raise TypeError(f"expected an object with keys, not {_show(values)}")
    hints = get_type_hints(kind)
    found = {name: _decode_field(name, hints.get(name), value, strict) for name, value in values.items()}
    return kind(**{name: value for name, value in found.items() if strict or name in hints})


def _decode_field(name: str, hint: object, value: object, strict: bool) -> object:
    """The value of a field whose type is ``hint``, a dataclass or a union with one where ``value`` is an object."""
    if isinstance(value, list):
        value = tuple(value)
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
    if kinds and isinstance(value, dict):
        return decode(kinds[0], value, strict=strict)
    if hint is not None and not _is_of(hint, value):
        raise TypeError(f"{name} must be {describe(hint)}, not {_show(value)}")
    return value


def _is_of(hint: object, value: object) -> bool:
    """Whether a value is of the type that a field is declared with."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_of(kind, value) for kind in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple and isinstance(value, tuple):
        kinds = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        return len(kinds) == len(value) and all(map(_is_of, kinds, value))
    kind = origin or hint
    if isinstance(value, bool) or not isinstance(kind, type):
        return kind is bool
    if kind is float and isinstance(value, int):
        return abs(value) <= _LARGEST
    return isinstance(value, kind)


def describe(hint: object) -> str:
    """The values of a type in words, such as "a whole number" or "one of a, b"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(describe(kind) for kind in arguments if kind is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple and arguments:
        count = "" if arguments[1:] == (...,) else f" of {len(arguments)}"
        return f"a list{count}, each {describe(arguments[0])}"
    kind = origin or hint
    return _WORDS.get(kind, "an object with keys") if isinstance(kind, type) else "another kind of value"


def _show(value: object) -> str:
    """The beginning of a value as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)[:_SHOWN]
