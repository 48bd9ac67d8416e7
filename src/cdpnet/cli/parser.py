"""The parser of a command: that of jsonargparse, with every error as one sentence."""

from __future__ import annotations

import os
import re
from argparse import SUPPRESS
from collections.abc import Collection, Sequence
from contextvars import ContextVar
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, set_parsing_settings

from cdpnet.cli.help import HelpFormatter, dashed
from cdpnet.errors import ConfigError
from cdpnet.io.addresses import is_address
from cdpnet.io.documents import read_yaml
from cdpnet.io.files import regular_file

_SHOWN = 60  # characters of a wrong value
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list in brackets",
}
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
    (
        r'Parser key "(?P<name>.*?)": Expected a tuple with (?P<kind>\d+) elements\. Got value: (?P<value>.*)',
        "--{name} takes a list of {kind}, not {value}",
    ),
    (
        r'Parser key "(?P<name>.*?)": Unable to load config (?P<value>\'.*?\') - .*',
        "{name} takes settings of its own, each in a line below it, not {value}",
    ),
    (r'(?:Parser key "|argument --)(?P<name>.*?)"?: invalid .*?value: (?P<value>.*)', "--{name} does not take {value}"),
    (r"Unexpected config: ?(?P<value>.*)", "A file of settings has lines such as `batch: 8`, and not '{value}'"),
    (r"unrecognized arguments: --(?P<name>[^\s=]+)(?P<value>.*)", "There is no option --{name}{value}"),
    (r"unrecognized arguments: (?P<value>.*)", "There is no option {value}"),
    (
        r"Subclasses are disabled for .*, thus '(?P<value>.*?)' is .*",
        "The settings hold {value} as class_path; there is no such setting",
    ),
)
_SETTINGS_OPTIONS = ("--config", "--train")  # which take a file
_PATHS = (
    "FOLDER",
    "FILE",
    "IMAGE",
    "IMAGE:MARKS",
    "LABELS",
    "IN",
    "OUT",
    "PAGE",
    "A",
    "B",
)  # metavars of what is read and written
_TAKE_ADDRESSES = {"cdpnet segment": ("images", "support", "out"), "cdpnet label": ("folder", "support", "out")}
_READ = ("images", "source", "truth", "found")  # an empty path, as of a variable that is not set, means this folder


asked_for = ContextVar("asked_for", default=False)
"""Whether somebody wants the parser of a command, and not that the command runs."""


class ParserFound(BaseException):  # passes every handler of a command
    """Ends a command where it would parse its arguments; holds its parser."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser


class Parser(ArgumentParser):  # type: ignore[misc]
    """Reports wrong arguments in one sentence; its parent would print every option first."""

    def parse_args(self, args: Sequence[str], **options: Any) -> Any:
        """Parse arguments; names of options may have hyphens or underscores, and switches need no value.

        DataError for a file of settings that is a pipe or a device, or that `read_yaml` refuses.
        """
        if asked_for.get():
            raise ParserFound(self)
        switches = [
            name for one in self._actions if getattr(one, "_typehint", None) is bool for name in one.option_strings
        ]
        arguments = normalise_options(args, switches)
        for value in (value for option in _SETTINGS_OPTIONS for value in given_values(arguments, option)):
            if os.path.exists(value):  # noqa: PTH110 - the settings themselves may stand there, longer than any path
                read_yaml(regular_file(Path(value), "a file of settings"))
        try:
            chosen = super().parse_args(arguments, **options)
        except RecursionError:
            raise ConfigError("The settings are nested too deep; a file of settings has two levels.") from None
        self._refuse_wrong_kinds(chosen)
        self._refuse_addresses(chosen)
        for option, wanted in (("out", "folder or file to write to"), ("project", "folder of the project")):
            given = str(chosen.get(option, "x"))
            if not given.strip() or "\0" in given:
                fault = "holds a zero byte" if given.strip() else "is empty"
                raise ConfigError(f"--{option} {fault}; give the {wanted}.")
        for option in _READ:
            given = chosen.get(option)
            if "" in (given if isinstance(given, list) else [given]) and given != self.get_default(option):
                raise ConfigError(
                    "An argument is empty where a path is expected; give one, such as . for the folder that you are in."
                )
        return chosen

    def _refuse_wrong_kinds(self, chosen: Any) -> None:
        """ConfigError for what a file of settings may hold and jsonargparse lets pass: null, and no text for a text."""
        for action in self._actions:
            name, value, default = action.dest, chosen.get(action.dest), action.default
            if value is None and default not in (None, SUPPRESS):
                raise ConfigError(f"--{dashed(name)} has no value; give it one, or leave it out.")
            if action.type is None and isinstance(default, str) and default != SUPPRESS and not isinstance(value, str):
                raise ConfigError(f"--{dashed(name)} takes text, not {str(value)[:_SHOWN]}.")

    def _refuse_addresses(self, chosen: Any) -> None:
        """ConfigError for an address where only a path can be; as a path it would lead to a folder ``s3:``."""
        for action in self._actions:
            name, value = action.dest, chosen.get(action.dest)
            if action.metavar not in _PATHS or name in _TAKE_ADDRESSES.get(self.prog, ()):
                continue
            for given in filter(is_address, map(str, value if isinstance(value, list) else [value])):
                option = f"--{dashed(name)}" if action.option_strings else action.metavar
                raise ConfigError(
                    f"{option} is an address, {given}, not a path of this machine; copy it to this machine, or give "
                    "another path."
                )

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise ConfigError for wrong arguments, a wrong configuration file or a wrong value."""
        raise ConfigError(f"{to_sentence(message)}; `{self.prog} --help` tells all options.") from ex


def group_of(parser: ArgumentParser, title: str) -> Any:
    """The group of options with a title, in which the help lists them; made where there is none yet."""
    groups = [group for group in parser._action_groups if group.title == title]
    return groups[0] if groups else parser.add_argument_group(title)


def new_parser(command: str, description: str, *examples: str) -> Parser:
    """An empty parser of a command; examples: what follows ``cdpnet``, for the end of its help."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    shown = "\n".join(["examples:", *(f"  cdpnet {example}" for example in examples)]) if examples else None
    parser = Parser(
        prog=f"cdpnet {command}",
        description=description,
        epilog=shown,
        formatter_class=HelpFormatter,
        allow_abbrev=False,  # or `--to voc` would be read as a value of --to-name
    )
    parser._positionals.title = "arguments"
    return parser


def normalise_options(arguments: Sequence[str], switches: Collection[str]) -> list[str]:
    """Arguments in the form that jsonargparse expects: ``--skip-broken`` becomes ``--skip_broken true``.

    switches: the options that are true where no value follows.
    """
    found = []
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = argument.partition("=")
        spelt = f"{name.replace('-', '_').replace('__', '--', 1)}{equals}{value}" if name.startswith("--") else argument
        found.append(spelt)
        if spelt in switches and following not in ("true", "false"):
            found.append("true")
    return found


def given_values(arguments: Sequence[str], option: str) -> list[str]:
    """The values of an option, given as ``--option VALUE`` or ``--option=VALUE``."""
    apart = [value for name, value in pairwise(arguments) if name == option]
    return apart + [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{option}=")]


def to_sentence(message: str) -> str:
    """An error message of jsonargparse in our words; one without a pattern is joined into one line."""
    folded = " ".join(message.split())
    for pattern, words in _MESSAGES:
        found = re.fullmatch(pattern, folded)
        if found:
            said = {name: text.replace("'", "") for name, text in found.groupdict().items()}
            said["name"] = dashed(said.get("name", ""))
            kind = said.get("kind", "")
            return words.format(**{**said, "kind": kind if kind.isdigit() else _KINDS.get(kind, f"a {kind}")})
    return folded.rstrip(".")
