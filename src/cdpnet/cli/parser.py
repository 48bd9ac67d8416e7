"""The parser of a command: that of jsonargparse, with every error as one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, set_parsing_settings

from cdpnet.errors import ConfigError

_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "tuple": "a list such as [1,5]"}
_MESSAGES = (  # patterns of jsonargparse's messages, and ours
    (
        r'Parser key "(?P<name>.*?)": Expected a typing\.Literal\[(?P<choices>.*?)\]\. Got value: (?P<value>.*)',
        "--{name} takes one of {choices}, not {value}",
    ),
    (
        r"argument --(?P<name>.*?): invalid choice: (?P<value>.*?) \(choose from (?P<choices>.*)\)",
        "--{name} takes one of {choices}, not {value}",
    ),
    (
        r"Parser key \"(?P<name>.*?)\"(?: element \d+)?: Expected a <class '(?P<kind>\w+)'>\. Got value: (?P<value>.*)",
        "--{name} takes {kind}, not {value}",
    ),
    (r"Parser key \"(?P<name>.*?)\": File does not exist: '(?P<value>.*)'", "--{name}: there is no file {value}"),
    (r"the following arguments are required: (?P<name>.*)", "What must be given is missing: {name}"),
    (r"unrecognized arguments: (?P<value>.*)", "There is no option {value}"),
)
_SWITCHES = ("--skip_broken", "--curves", "--compile")  # true if no value follows


class Parser(ArgumentParser):  # type: ignore[misc]
    """Reports wrong arguments in one sentence; its parent would print every option first."""

    def parse_args(self, args: Sequence[str], **options: Any) -> Any:
        """Parse arguments; names of options may have hyphens or underscores, and switches need no value."""
        chosen = super().parse_args(normalise_options(args), **options)
        if not str(chosen.get("out", "x")).strip():
            raise ConfigError("--out is empty; give the folder or file to write to.")
        return chosen

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise ConfigError for wrong arguments, a wrong configuration file or a wrong value."""
        raise ConfigError(f"{to_sentence(message)}; `{self.prog} --help` tells all options.") from ex


def new_parser(command: str, description: str) -> Parser:
    """An empty parser of a command."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    return Parser(prog=f"cdpnet {command}", description=description)


def normalise_options(arguments: Sequence[str]) -> list[str]:
    """Arguments in the form that jsonargparse expects: ``--skip-broken`` becomes ``--skip_broken true``."""
    found = []
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = argument.partition("=")
        spelt = f"{name.replace('-', '_').replace('__', '--', 1)}{equals}{value}" if name.startswith("--") else argument
        found.append(spelt)
        if spelt in _SWITCHES and following not in ("true", "false"):
            found.append("true")
    return found


def to_sentence(message: str) -> str:
    """An error message of jsonargparse in our words; one without a pattern is joined into one line."""
    folded = " ".join(message.split())
    for pattern, words in _MESSAGES:
        found = re.fullmatch(pattern, folded)
        if found:
            said = {name: text.replace("'", "") for name, text in found.groupdict().items()}
            kind = said.get("kind", "")
            return words.format(**{**said, "kind": _KINDS.get(kind, f"a {kind}")})
    return folded.rstrip(".")
