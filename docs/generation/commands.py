"""Every command with its options, from the parsers themselves."""

from __future__ import annotations

import argparse
import re

from cdpnet.cli.completion import all_commands, parser_of
from cdpnet.cli.help import facts_of, is_listed, option_with_value, words_of
from docs.generation.tables import options_as_code, table


def markdown() -> str:
    """A section for each command: what it does, its options by groups, examples."""
    return "\n\n".join(_section(words) for words in all_commands())


def _section(words: tuple[str, ...]) -> str:
    parser = parser_of(words)
    parts = [f"## cdpnet {' '.join(words)}", str(parser.description), f"```text\n{parser.format_usage().strip()}\n```"]
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if is_listed(action) and action.dest != "help"]
        if shown:
            parts += [f"**{str(group.title)[:1].upper()}{str(group.title)[1:]}**", _table(shown)]
    examples = str(parser.epilog).split("\n")[1:]
    return "\n\n".join([*parts, "```sh\n" + "\n".join(line.strip() for line in examples) + "\n```"])


def _table(actions: list[argparse.Action]) -> str:
    rows = [
        (f"`{_in_lines(option_with_value(action))}`", options_as_code(words_of(action)), facts_of(action))
        for action in actions
    ]
    return table(("option", "what it does", "value"), rows)


def _in_lines(option: str) -> str:
    """An option whose line can be broken between its choices: the manual breaks no word in a table."""
    return re.sub(r",(?=\S)", ", ", option)
