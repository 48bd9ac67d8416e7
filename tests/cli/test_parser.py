"""What is wrong with an option is said in one sentence, and options may be spelt as people spell them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdpnet.cli import main
from cdpnet.cli.benchmarks import ablate, table
from cdpnet.cli.parser import new_parser, normalise_options
from cdpnet.cli.research import train
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
        (["--unheard-of", "a_b"], "There is no option --unheard-of a_b"),
        (["--unheard_of=a_b"], "There is no option --unheard-of=a_b"),
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
    switches = ("--skip_broken", "--curves")
    assert normalise_options(given, switches) == [*expected, "false"]
    assert normalise_options(["--seeds", "-1", "--skip_broken"], switches) == ["--seeds", "-1", "--skip_broken", "true"]


def test_every_setting_that_is_true_or_false_is_a_switch(tmp_path: Path) -> None:
    for command, arguments in (
        (table, ["--refine", "--methods", "[x]"]),
        (ablate, ["--train.compile", "--rows", "[x]"]),
    ):
        with pytest.raises(ConfigError, match=r"There is no (method|row) 'x'"):
            command([*arguments, "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("batch: null", "--batch has no value; give it one, or leave it out."),
        ("fold: null", "--fold has no value"),
        ("encoder: 5", "--encoder.name has no value"),
        ("encoder: tiny", "encoder takes settings of its own, each in a line below it, not tiny;"),
        ("method: [ssp]", "--method takes text, not ['ssp']."),
        ("root: 5", "--root takes text, not 5;"),
        ("fold: none", "--fold does not take none;"),
        ("milestones: [0.1]", "--milestones takes a list of 2, not [0.1];"),
        ("batch: 99999999999999999999", "batch must be from 0 to 1000000000, not 99999999999999999999."),
        ("", "A file of settings has lines such as `batch: 8`, and not '';"),
    ],
)
def test_a_wrong_value_in_a_file_of_settings_is_one_sentence(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(content)
    with pytest.raises(ConfigError) as refused:
        train(["--config", str(tmp_path / "settings.yaml"), "--out", str(tmp_path / "out")])
    assert str(refused.value).startswith(says)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "option"), [("learn", "--out"), ("export", "--out"), ("label", "--project"), ("web", "--project")]
)
def test_an_address_is_refused_where_only_a_path_can_be(command: str, option: str) -> None:
    """A folder s3: of this machine would be made, or looked for."""
    parser = new_parser(command, "A command.")
    parser.add_argument(option, metavar="FOLDER")
    with pytest.raises(ConfigError, match=rf"^{option} is an address, s3://b/x, not a path of this machine; copy it "):
        parser.parse_args([option, "s3://b/x"])


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (("label", "s3://b/p", "--classes", "s3://b/x", "--out", "out"), "--classes"),
        (("label", "s3://b/p", "--classes", "x", "--truth", "s3://b/x", "--out", "out"), "--truth"),
        (("label", "p", "--classes", "x", "--label-config", "s3://b/x", "--out", "out"), "--label-config"),
        (("learn", "--name", "x", "--support", "a:b", "s3://b/x", "--out", "x.safetensors"), "--support"),
        (("learn", "--name", "x", "--without", "s3://b/x", "--out", "x.safetensors"), "--without"),
        (("labels", "convert", "s3://b/x", "out", "--images", "p", "--format", "png"), "IN"),
        (("labels", "convert", "a", "out", "--images", "s3://b/x", "--format", "png"), "--images"),
        (("classes", "s3://b/x"), "FILE"),
        (("serve", "--label-studio", "--project", "p", "--images", "s3://b/x"), "--images"),
    ],
)
def test_the_sentence_about_an_address_names_it_as_it_is(
    given: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given) == 2
    assert capsys.readouterr().err.startswith(f"cdpnet: {name} is an address, s3://b/x, not a path of this machine; ")


def test_label_and_segment_write_to_addresses() -> None:
    for command in ("label", "segment"):
        parser = new_parser(command, "A command.")
        parser.add_argument("--out", metavar="FOLDER")
        assert parser.parse_args(["--out", "s3://b/x"]).out == "s3://b/x"
