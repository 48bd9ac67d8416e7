"""Look at the arguments of commands without running them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

from cdpnet.cli import main
from cdpnet.cli.parser import Parser


class _Parsed(BaseException):
    """Ends a command after its arguments are parsed."""


def check_arguments(arguments: Sequence[str]) -> None:
    """Parse the arguments of a command without running it. ValueError where they are wrong."""
    parse = Parser.parse_args

    def stop(parser: Parser, args: Sequence[str], **options: Any) -> None:
        parse(parser, args, **options)
        raise _Parsed

    with mock.patch.object(Parser, "parse_args", stop):
        try:
            main(list(arguments))
        except _Parsed:
            return
    raise ValueError(f"cdpnet {' '.join(arguments)} is refused.")
