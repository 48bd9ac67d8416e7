"""The parsers of all commands, as the commands themselves make them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from unittest import mock

from cdpnet.cli import _COMMANDS, main
from cdpnet.cli.parser import Parser

PARTS: dict[str, list[tuple[str, ...]]] = {
    "labels": [("convert",), ("compare",)],
    "data": [("check",), ("episodes",)],
    "weights": [("convert",)],
}
"""Commands that have commands of their own."""


class _Found(BaseException):
    """Ends a command at the point where it parses its arguments."""


def commands() -> list[tuple[str, ...]]:
    """The words of every command, in the order of ``cdpnet --help``."""
    return [(name, *part) for name in _COMMANDS for part in PARTS.get(name, [()])]


@cache
def parser_of(words: Sequence[str]) -> Parser:
    """The parser of a command, such as ("labels", "convert")."""
    found: list[Parser] = []

    def stop(parser: Parser, *_: Any, **__: Any) -> None:
        found.append(parser)
        raise _Found

    with mock.patch.object(Parser, "parse_args", stop):
        try:
            main(list(words))
        except _Found:
            return found[0]
    raise LookupError(f"cdpnet {' '.join(words)} parses no arguments.")


def check_arguments(arguments: Sequence[str]) -> None:
    """Parse the arguments of a command without running it. ConfigError where they are wrong."""
    parse = Parser.parse_args

    def stop(parser: Parser, args: Sequence[str], **options: Any) -> None:
        parse(parser, args, **options)
        raise _Found

    with mock.patch.object(Parser, "parse_args", stop):
        try:
            code = main(list(arguments))
        except _Found:
            return
    if code != 0:
        raise ValueError(f"cdpnet {' '.join(arguments)} is refused.")
