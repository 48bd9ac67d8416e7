"""The command completion, and the parsers of all commands, from which it is made."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from cdpnet.cli.help import choices, dashed, is_listed, metavar, words_of
from cdpnet.cli.parser import Parser, ParserFound, asked_for, new_parser
from cdpnet.cli.screen import print_line

PARTS: dict[str, list[tuple[str, ...]]] = {
    "labels": [("convert",), ("compare",)],
    "data": [("check",), ("episodes",)],
    "weights": [("convert",)],
}
"""Commands that have commands of their own."""
_FILES, _FOLDERS = ("FILE", "IMAGE", "IMAGE:MARKS", "LABELS", "IN", "A", "B", "PAGE"), ("FOLDER", "OUT")


def completion(arguments: list[str]) -> None:
    """Print a script that completes commands, options and choices in a shell."""
    parser = new_parser(
        "completion",
        "Print a script that completes commands, options and their choices in a shell.",
        "completion bash   # into ~/.local/share/bash-completion/completions/cdpnet",
        "completion zsh    # into _cdpnet in a folder of $fpath",
    )
    parser.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="the shell: bash or zsh")
    chosen = parser.parse_args(arguments)

    import shtab

    for line in shtab.complete(_whole_program(), shell=chosen.shell).split("\n"):
        print_line(line)


def all_commands() -> list[tuple[str, ...]]:
    """The words of every command, such as ("labels", "convert")."""
    from cdpnet.cli import _COMMANDS

    return [(name, *part) for name in _COMMANDS for part in PARTS.get(name, [()])]


def parser_of(words: Sequence[str]) -> Parser:
    """The parser of a command, as the command itself makes it."""
    from cdpnet.cli import _COMMANDS

    name, *rest = words
    token = asked_for.set(True)
    try:
        getattr(import_module(f"cdpnet.cli.{_COMMANDS[name]}"), name)(rest)
    except ParserFound as found:
        return found.parser
    finally:
        asked_for.reset(token)
    raise LookupError(f"cdpnet {' '.join(words)} parses no arguments.")


def _whole_program() -> argparse.ArgumentParser:
    """One parser with all commands, for shtab: names of options, their choices, and where files are meant."""
    program = argparse.ArgumentParser(prog="cdpnet")
    below: dict[tuple[str, ...], Any] = {(): program.add_subparsers(dest="command")}
    for words in all_commands():
        above = words[:-1]
        if above not in below:
            below[above] = below[()].add_parser(above[0], help="").add_subparsers(dest="part")
        parser = parser_of(words)
        _copy_options(parser, below[above].add_parser(words[-1], help=parser.description))
    return program


def _copy_options(parser: Parser, plain: argparse.ArgumentParser) -> None:
    import shtab

    for action in parser._actions:
        if action.dest == "help" or not is_listed(action):
            continue
        shown = copy.copy(action)
        shown.option_strings = [dashed(option) for option in action.option_strings]
        shown.choices, shown.help = choices(action) or None, words_of(action)
        if action.dest == "print_config":  # its value is none that a person gives
            shown.metavar, shown.nargs = None, 0
        if metavar(action) in (*_FILES, *_FOLDERS):
            shown.complete = shtab.FILE if metavar(action) in _FILES else shtab.DIRECTORY
        plain._add_action(shown)
