"""What is wrong with an option is said in one sentence, and options may be spelt as people spell them."""

from __future__ import annotations

import pytest

from cdpnet.cli.parser import new_parser, normalise_options
from cdpnet.config import Names
from cdpnet.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--names", "latin"], "--names takes one of exact, category, none, wrong, not latin"),
        (["--shots", "two"], "--shots takes a whole number, not two"),
        (["--seeds", "1", "x"], "--seeds takes a whole number, not x"),
        (["--rate", "fast"], "--rate takes a number, not fast"),
        (["--kind", "c"], "--kind takes one of a, b, not c"),
        (["--unheard", "3"], "There is no option --unheard 3"),
        (["--name", "none"], "There is no option --name none"),  # which may be meant for another one
        (["--config", "nowhere.yaml"], "--config: there is no file"),
        (["--shots"], "argument --shots: expected one argument"),
    ],
)
def test_a_wrong_option_is_one_sentence(arguments: list[str], says: str) -> None:
    parser = new_parser("paint", "A command.")
    parser.add_argument("--config", action="config")
    parser.add_argument("--names", type=Names, default="exact")
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--kind", choices=["a", "b"], default="a")
    with pytest.raises(ConfigError) as refused:
        parser.parse_args(arguments)
    said = str(refused.value)
    assert said.startswith(says)
    assert said.endswith("`cdpnet paint --help` tells all options.")
    assert "\n" not in said


def test_what_must_be_given_is_named() -> None:
    parser = new_parser("paint", "A command.")
    parser.add_argument("--out", required=True)
    with pytest.raises(ConfigError, match="What must be given is missing: out"):
        parser.parse_args([])


def test_hyphens_and_bare_switches() -> None:
    given = ["--skip-broken", "--data", "a-b", "x-y", "--encoder.text-tower=RN50-quickgelu", "--curves", "false"]
    expected = ["--skip_broken", "true", "--data", "a-b", "x-y", "--encoder.text_tower=RN50-quickgelu", "--curves"]
    assert normalise_options(given) == [*expected, "false"]
    assert normalise_options(["--seeds", "-1", "--skip_broken"]) == ["--seeds", "-1", "--skip_broken", "true"]


@pytest.mark.parametrize(
    ("command", "option"), [("learn", "--out"), ("export", "--out"), ("label", "--project"), ("web", "--project")]
)
def test_an_address_is_refused_where_only_a_path_can_be(command: str, option: str) -> None:
    """A folder s3: of this machine would be made."""
    parser = new_parser(command, "A command.")
    parser.add_argument(option)
    with pytest.raises(ConfigError, match=rf"^{option} is an address, s3://b/x, not a path of this machine; give the "):
        parser.parse_args([option, "s3://b/x"])


def test_label_and_segment_write_to_addresses() -> None:
    for command in ("label", "segment"):
        parser = new_parser(command, "A command.")
        parser.add_argument("--out")
        assert parser.parse_args(["--out", "s3://b/x"]).out == "s3://b/x"
