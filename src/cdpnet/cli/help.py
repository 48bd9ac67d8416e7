"""What `cdpnet COMMAND --help` prints: types in words, options with dashes, a short first line, examples at the end."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from jsonargparse import DefaultHelpFormatter

_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}
_LISTS = {str: "a list such as [a,b]", int: "a list such as [1,5]", float: "a list such as [0.3,0.6]"}
_METAVARS = {int: "N", float: "X", bool: "{true,false}", tuple: "LIST"}
_OWN_WORDS = {"help": "print this help", "print_config": "print all settings that result, as YAML, and stop"}
_NO_DEFAULT = (None, "", argparse.SUPPRESS)


class HelpFormatter(DefaultHelpFormatter):  # type: ignore[misc]
    """The help of a command, for people: neither names of Python's types nor defaults that say nothing."""

    def add_usage(self, usage: str | None, actions: Iterable[argparse.Action], *more: Any, **options: Any) -> None:
        """The first line: what must be given. All other options are listed below it."""
        del usage
        given = [action for action in actions if action.required or not action.option_strings]
        options_first = sorted(given, key=lambda action: not action.option_strings)
        words = [self._prog, *(self._in_usage(action) for action in options_first), "[options]"]
        super().add_usage(" ".join(words).replace("%", "%%"), [], *more, **options)

    def _in_usage(self, action: argparse.Action) -> str:
        if action.option_strings:
            return f"{dashed(action.option_strings[-1])} {metavar(action)}"
        return str(self._format_args(action, metavar(action)))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return str(super()._format_action_invocation(action))
        return option_with_value(action)

    def _get_help_string(self, action: argparse.Action) -> str:
        if getattr(action, "_jsonargparse_preexpanded_help", False):
            return action.help or ""
        text, facts = words_of(action).replace("%", "%%"), facts_of(action)
        return f"{text} ({facts})".strip() if facts else text

    def _expand_help(self, action: argparse.Action) -> str:
        return self._get_help_string(action).replace("%%", "%")

    def start_section(self, heading: str | None) -> None:
        """The title of a group: long ones, which are sentences of the settings, are wrapped as all text is."""
        shown = heading and "\n".join(_wrapped(heading[:1].lower() + heading[1:], self._width - 1))  # a colon follows
        super().start_section(shown)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Examples keep their lines; a description is one paragraph, which is wrapped."""
        lines = text.split("\n") if "\n" in text else _wrapped(text, width - len(indent))
        return "\n".join(indent + line for line in lines)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words: an option or the name of a model is not broken at a dash."""
    return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def is_listed(action: argparse.Action) -> bool:
    """Whether the help shows an option."""
    return action.help != argparse.SUPPRESS


def words_of(action: argparse.Action) -> str:
    """What an option does."""
    return _OWN_WORDS.get(action.dest, action.help or "")


def dashed(option: str) -> str:
    """An option as it is shown: with dashes; underscores are accepted as well."""
    return option.replace("_", "-")


def option_with_value(action: argparse.Action) -> str:
    """An option and the place of its value, such as ``--threshold X``; the place alone for what has no option."""
    more = " ..." if action.nargs in ("+", "*", argparse.REMAINDER) else ""
    if not action.option_strings:
        return metavar(action) + more
    names = ", ".join(map(dashed, action.option_strings))
    if action.nargs == 0 or action.dest in _OWN_WORDS:
        return names
    return f"{names} {metavar(action)}{more}"


def metavar(action: argparse.Action) -> str:
    """The word for a value: its choices, N or X for numbers, else the word for the option, in capitals."""
    if chosen := choices(action):
        return "{" + ",".join(chosen) + "}"
    if isinstance(action.metavar, str):
        return action.metavar
    return _METAVARS.get(_kind(action), re.split(r"[._]", action.dest)[-1].upper())


def choices(action: argparse.Action) -> tuple[str, ...]:
    """The values that an option takes, where there are only some; none for any other."""
    if action.choices is not None:
        return tuple(map(str, action.choices))
    hint = _hint(action)
    for kind in (hint, *(get_args(hint) if get_origin(hint) in (Union, UnionType) else ())):
        if get_origin(kind) is Literal:
            return tuple(map(str, get_args(kind)))
    return ()


def facts_of(action: argparse.Action) -> str:
    """The kind of a value and its default, in words, as far as the help does not say them."""
    if action.dest in _OWN_WORDS:
        return ""
    facts = [] if choices(action) or action.nargs == 0 else [_kind_in_words(action)]
    if action.required:
        facts.append("required")
    elif (shown := _default(action)) and "by default" not in (action.help or ""):
        facts.append(f"by default {shown}")
    return "; ".join(filter(None, facts))


def _default(action: argparse.Action) -> str:
    """The default as it would be given; empty where it says nothing."""
    value = action.default
    if action.nargs == 0 or value in _NO_DEFAULT or (isinstance(value, list) and not value) or isinstance(value, dict):
        return ""
    return plain(value)


def plain(value: object) -> str:
    """A value as it is given on the command line or in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ",".join(map(plain, value)) + "]"
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _kind_in_words(action: argparse.Action) -> str:
    """What kind of value an option takes, empty for a word; of a list, by what is in it."""
    kind = _kind(action)
    return _LISTS[get_args(_hint(action))[0]] if kind is tuple else _KINDS.get(kind, "")


def _hint(action: argparse.Action) -> Any:
    """The type that an option was declared with."""
    return action.type if action.type is not None else getattr(action, "_typehint", None)


def _kind(action: argparse.Action) -> type:
    """The plain type of a value; str where it is none of those with words of their own."""
    hint = _hint(action)
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    found = [origin for kind in kinds if (origin := get_origin(kind) or kind) in _METAVARS]
    return found[0] if found else str
