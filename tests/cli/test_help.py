"""What `cdpnet COMMAND --help` says: words for people, not Python's, and examples that the command takes."""

from __future__ import annotations

import re
import shlex

import pytest

from cdpnet.cli.completion import all_commands, parser_of
from docs.generation.parsers import check_arguments
from tests.cli.running import run

PYTHON = re.compile(
    r"Literal|Optional|NoneType|<function|<class|\bnull\b|\bNone\b|\bFalse\b|\bTrue\b|type:|\bint\b|\bstr\b"
)


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_a_help_speaks_in_words_and_shows_dashes(words: tuple[str, ...]) -> None:
    shown = run(*words, "--help").stdout
    assert shown.startswith(f"usage: cdpnet {' '.join(words)} ")
    assert not PYTHON.search(shown)
    assert not re.search(r"--[\w.]+_", shown)
    assert "()" not in shown
    for action in parser_of(words)._actions:
        assert action.help or action.choices, action.dest
        for option in action.option_strings:
            if action.dest != "print_shtab":
                assert option.replace("_", "-") in shown


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_the_examples_at_the_end_of_a_help_are_taken(words: tuple[str, ...]) -> None:
    examples = [line.strip() for line in str(parser_of(words).epilog).split("\n")[1:]]
    assert examples
    for line in examples:
        program, *arguments = shlex.split(line, comments=True)
        assert program == "cdpnet"
        assert tuple(arguments[: len(words)]) == words
        check_arguments(arguments)


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_a_help_fits_80_columns_and_breaks_no_word(words: tuple[str, ...]) -> None:
    shown = run(*words, "--help", COLUMNS="80").stdout
    text, _, examples = shown.partition("\nexamples:\n")
    assert max(map(len, text.splitlines())) <= 80
    assert max(map(len, examples.splitlines())) <= 100  # a command is one line, so that it can be copied
    assert not re.search(r"[a-z0-9]-$", text, re.MULTILINE)
    assert not re.search(r"^[A-Z].*:$", text, re.MULTILINE)  # titles of groups are alike


def test_kinds_of_values_defaults_and_choices_are_told() -> None:
    shown = run("train", "--help").stdout
    assert "--fold FOLD " in shown
    assert re.search(r"--iterations N .*\(a whole number; by default 400\)", shown)
    assert re.search(r"--learning-rate X .*\(a number; by default 0.0003\)", shown)
    assert "--optimizer {adamw,sgd}" in shown
    assert "--milestones" in shown
    assert "[0.3333,0.6667]" in shown
    assert "(SSP). (a list such as [0.3,0.6]; by default [0.3333,0.6667])" in " ".join(shown.split())
    table = " ".join(run("table", "--help").stdout.split())
    assert "Rows of the table. (a list such as [a,b]; by default [panet,ssp,cdpn])" in table
    assert "by default all of the data set. (a list such as [1,5])" in table
    convert = run("labels", "convert", "--help").stdout
    assert convert.startswith("usage: cdpnet labels convert --images FOLDER IN OUT [options]\n")
    assert "--from {png,coco,labelme,yolo,labelstudio,cvat,voc}" in convert
    assert "clip-vit-b16" in run("segment", "--help").stdout


@pytest.mark.parametrize("spelling", ["--min-area", "--min_area"])
def test_dashes_and_underscores_are_the_same_option(spelling: str) -> None:
    check_arguments(["labels", "convert", "a", "b", "--images", "c", "--instances", spelling, "4"])
    refused = run("labels", "convert", "a", "b", "--images", "c", spelling, "four")
    assert refused.stderr.startswith("cdpnet: --min-area takes a whole number, not four")
