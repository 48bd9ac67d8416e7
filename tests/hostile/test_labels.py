"""No label file ends the process, takes its memory, or gets anything but one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype, save_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.examples import read_examples
from cdpnet.network.network import PrototypeNetwork
from tests.cli.running import run
from tests.hostile.label_files import CLIPPED, DEADLY, REFUSED, SIZE, TRIANGLE, Case, Outcome, labelme

MOST_MEGABYTES, MOST_SECONDS, DEADLINE = 200, 5, 280


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What each deadly case did, in one process for all of them."""
    if sys.platform == "win32":
        pytest.skip("the memory of a process is not told there")
    folder = tmp_path_factory.mktemp("deadly")
    command = [sys.executable, "-m", "tests.hostile.child", str(folder)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert shown.returncode == 0, (
        f"signal or code {shown.returncode} after {shown.stdout[-300:]}\n{shown.stderr[-2000:]}"
    )
    found = [Outcome(**json.loads(line)) for line in shown.stdout.splitlines() if line.startswith("{")]
    return {outcome.name: outcome for outcome in found}


@pytest.mark.parametrize("case", DEADLY, ids=lambda case: case.name)
def test_a_deadly_file_is_refused(case: Case, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[case.name]
    assert outcome.code == 2
    check_sentence(outcome.says, case)
    assert outcome.megabytes <= MOST_MEGABYTES
    assert outcome.seconds <= MOST_SECONDS


@pytest.mark.parametrize("case", CLIPPED, ids=lambda case: case.name)
def test_a_far_point_is_cut_off(case: Case, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[case.name]
    assert outcome.code == 0, outcome.says
    assert outcome.megabytes <= MOST_MEGABYTES
    assert outcome.seconds <= MOST_SECONDS


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_wrong_file_is_refused(case: Case, tmp_path: Path) -> None:
    shown = run(*case.command(tmp_path / "case"))
    assert shown.returncode == 2
    check_sentence(shown.stderr, case)
    assert not (tmp_path / "case" / "cat.safetensors").exists()


def check_sentence(said: str, case: Case) -> None:
    """One printable line, which says what is expected and does not quote Python."""
    assert case.says in said
    assert said.startswith("cdpnet: ")
    assert said.endswith("\n")
    assert said[:-1].isprintable()
    assert not any(word in said for word in ("Traceback", "Error(", "object at", "NoneType", "<class"))


def test_an_error_message_lists_few_of_many_names(tmp_path: Path) -> None:
    content = json.loads(labelme(TRIANGLE))
    content["shapes"] = [{**content["shapes"][0], "label": f"thing {i} {'x' * 500}"} for i in range(50)]
    path = Case("many", json.dumps(content), "").write(tmp_path / "many")
    with pytest.raises(DataError, match=r"thing 19 x+ and 30 more") as refused:
        read_examples(path.parent / "a.png", path, "cat")
    assert len(str(refused.value)) < 3000


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\ud800", "a\u2028b", "\x7f"])
def test_control_characters_are_refused_in_the_names_of_classes(name: str, tiny: PrototypeNetwork) -> None:
    with pytest.raises(DataError, match="control character"):
        Segmenter(tiny).learn_name(name)


def test_markup_in_a_name_is_text(tmp_path: Path) -> None:
    blank, numbers = np.zeros((4, 4, 3), np.uint8), torch.ones(4)
    known = ClassPrototype("[/red]x", numbers, numbers + 1, None, False, 1, blank, ("0" * 16, "tiny"))
    save_class(known, tmp_path / "[bold]a.safetensors")
    listed = run("classes", "[bold]a.safetensors", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "[/red]x" in listed.stdout
    assert "[bold]a.safetensors" in listed.stdout


def test_a_file_name_reaches_the_terminal_escaped(tmp_path: Path) -> None:
    case = Case("name", labelme(TRIANGLE, SIZE, label="dog"), "")
    path = case.write(tmp_path / "\x1b[31mred\nline")
    shown = run(
        "learn",
        "--model",
        "tiny",
        "--name",
        "cat",
        "--support",
        f"{path.parent / 'a.png'}:{path}",
        "--out",
        "c.safetensors",
    )
    assert shown.returncode == 2
    assert r"\x1b[31mred\nline" in shown.stderr
    assert shown.stderr[:-1].isprintable()
