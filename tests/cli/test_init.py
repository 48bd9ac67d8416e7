"""`main`: help, version, unknown commands, exit codes; and that a process starts quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from cdpnet.cli import main
from tests.cli.running import COMMAND, run, run_process

COMMANDS = (
    *("segment", "learn", "classes", "label", "labels", "web", "models", "completion", "export", "weights", "demo"),
    *("train", "evaluate", "ablate", "pretrain", "calibrate", "levels", "data", "table", "reproduce"),
)


def test_help_and_version() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in shown.stdout
    assert run("--version").stdout.startswith("cdpnet 0.")
    assert run().returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    shown = run(command, "--help")
    assert shown.returncode == 0, shown.stderr
    assert f"usage: cdpnet {command}" in shown.stdout
    assert not shown.stderr


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys, cdpnet, cdpnet.cli; cdpnet.cli.main(['--help']); "
        "print([m for m in sys.modules if m in ('torch', 'PIL', 'numpy')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().endswith("[]")


def test_a_process_has_the_exit_code_of_main(tmp_path: Path) -> None:
    shown = run_process("segment", "--model", "tiny", "--support", "image.png", "--out", tmp_path / "out", "image.png")
    assert COMMAND[-1] == "cdpnet"
    assert shown.returncode == 2
    assert "IMAGE:MARKS" in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1


def test_unknown_commands_and_options() -> None:
    unknown = run("segmnt")
    assert unknown.returncode == 2
    assert "'segmnt'" in unknown.stderr
    wrong = run("demo", "--out", "x", "--episode", "0", "--colour", "red")
    assert wrong.returncode == 2
    assert "--colour" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_reader_that_stops_is_no_error() -> None:
    """As in `cdpnet data episodes | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as closed, redirect_stdout(closed):  # noqa: PTH123
        assert main(["data", "--help"]) == 0


def test_a_reader_that_stops_before_the_last_lines_are_written_is_no_error() -> None:
    """As in `cdpnet classes *.safetensors | true`: what is printed stays in a buffer until the end."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed, redirect_stdout(closed):  # noqa: PTH123
        assert main(["--help"]) == 0


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("command", "module", "advice"),
    [
        ("data", "benchmarks", "no file is incomplete"),
        ("table", "benchmarks", "The same command goes on"),
        ("train", "research", "--resume"),
        ("label", "labelling", "the same command labels the others"),
    ],
)
def test_ctrl_c_has_the_exit_code_of_shells(
    command: str, module: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"cdpnet.cli.{module}.{command}", _interrupted)
    shown = run(command)
    assert shown.returncode == 130
    assert shown.stderr.startswith("cdpnet: stopped. ")
    assert advice in shown.stderr


def test_ctrl_c_inside_of_code_from_a_text() -> None:
    """The interpreter remembers such an interrupt, and would end by the signal instead of with the exit code."""
    command = [sys.executable, "-m", "tests.cli.interrupted"]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert shown.returncode == 130
    assert shown.stderr.startswith("cdpnet: stopped. ")


def test_ctrl_c_while_a_command_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdpnet.cli.import_module", _interrupted)
    shown = run("label")
    assert shown.returncode == 130
    assert len(shown.stderr.splitlines()) == 1


OUT: dict[str, list[str]] = {
    "segment": ["image.png", "--support", "a.png:b.png"],
    "learn": ["--name", "a"],
    "label": ["images", "--classes", "a.safetensors"],
    **{
        name: [] for name in ("export", "demo", "train", "ablate", "pretrain", "distil", "calibrate", "levels", "table")
    },
}


@pytest.mark.parametrize("command", OUT)
@pytest.mark.parametrize("out", ["", " "])
def test_an_empty_out_is_refused(command: str, out: str, tmp_path: Path) -> None:
    shown = run(command, *OUT[command], "--out", out, cwd=tmp_path)
    assert shown.returncode == 2, shown.stderr
    assert shown.stderr == "cdpnet: --out is empty; give the folder or file to write to.\n"
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: list[str]) -> None:
        raise OSError(28, "No space left on device", "labels.json")

    monkeypatch.setattr("cdpnet.cli.benchmarks.data", failing)
    shown = run("data")
    assert shown.returncode == 2
    assert "labels.json" in shown.stderr
    assert "No space left on device" in shown.stderr


def test_a_zero_byte_in_out_is_refused() -> None:
    shown = run("train", "--out", "a\0b")
    assert (shown.returncode, shown.stderr) == (
        2,
        "cdpnet: --out holds a zero byte; give the folder or file to write to.\n",
    )
