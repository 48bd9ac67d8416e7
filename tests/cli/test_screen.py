"""What is shown on a terminal, and what reaches a file."""

from __future__ import annotations

import ast
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import cdpnet
from cdpnet.cli import main
from cdpnet.cli.screen import (
    error_console,
    labelling_bar,
    print_wrapped,
    printed,
    progress_bar,
    rate_text,
    say,
    stages_bar,
    to_standard_error,
)
from cdpnet.training.loop import Progress
from tests.cli.test_benchmarks import write_lists


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
def test_lines_reach_a_file_while_a_terminal_shows_the_bar(tmp_path: Path) -> None:
    write_lists(tmp_path)
    arguments = ("data", "episodes", "--data", "pascal", "--protocol", "hsnet", "--episodes", "7", "--splits", tmp_path)
    seen, terminal = os.openpty()
    try:
        with (tmp_path / "list.txt").open("w") as file, os.fdopen(terminal, "w") as screen:
            assert screen.isatty()
            with redirect_stdout(file), redirect_stderr(screen):
                assert main([str(argument) for argument in arguments]) == 0
    finally:
        os.close(seen)
    assert len((tmp_path / "list.txt").read_text().splitlines()) == 7


def test_a_path_with_brackets_is_printed_as_it_is() -> None:
    text = StringIO()
    say(Console(file=text, width=20), "out/[red]mask[/red]/a long name of a file.png")
    assert text.getvalue() == "out/[red]mask[/red]/a long name of a file.png\n"


def test_a_long_line_is_broken_at_blanks_and_a_path_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = f"/{'folder-' * 6}/a.jpg"
    with redirect_stdout(StringIO()) as text:
        print_wrapped(f"no   broken in val: {path}, which cannot\nbe read", indent=5)
    assert text.getvalue() == f"no   broken in val:\n     {path},\n     which cannot\\nbe read\n"


def test_what_a_terminal_would_obey_is_shown_as_an_escape() -> None:
    text = StringIO()
    say(Console(file=text, force_terminal=True), "\x1b]0;title\x07 \x1b[31mred\nnext \udcff Ölkanne \u202e")
    assert text.getvalue() == r"\x1b]0;title\x07 \x1b[31mred\nnext \udcff Ölkanne \u202e" + "\n"
    with redirect_stderr(StringIO()) as bar, progress_bar() as progress:
        progress.add_task("[/red]", total=1)
    assert "[/red]" in bar.getvalue()


def test_everything_that_is_printed_is_escaped() -> None:
    """`print` is called with a constant of the module, or with what `escape` returns."""
    root = Path(cdpnet.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                (printed,) = node.args
                is_constant = isinstance(printed, ast.Name) and printed.id.isupper()
                is_escaped = isinstance(printed, ast.Call) and ast.unparse(printed.func) == "escape"
                assert is_constant or is_escaped, f"{path}, line {node.lineno}"


def test_the_labelling_bar_counts_only_images_of_this_run() -> None:
    with redirect_stderr(StringIO()) as text, labelling_bar() as show:
        show(10, 20)
        show(10, 20)
    assert "images/s" not in text.getvalue()
    with redirect_stderr(StringIO()) as text, labelling_bar() as show:
        show(10, 20)
        show(20, 20, 3)
    assert "images/s, 3 failed" in text.getvalue()


@pytest.mark.parametrize(("done", "said"), [(1, "1 of 20 images is finished."), (2, "2 of 20 images are finished.")])
def test_a_stopped_job_says_how_many_images_are_finished(done: int, said: str) -> None:
    with redirect_stderr(StringIO()) as text, pytest.raises(KeyboardInterrupt), labelling_bar() as show:
        show(done, 20)
        raise KeyboardInterrupt
    assert f"cdpnet: {said}\n" in text.getvalue()


def test_a_rate_below_one_is_told_as_seconds() -> None:
    assert [rate_text(rate) for rate in (0, 12.34, 1, 0.02)] == ["", "12.3/s", "1.0/s", "50.0 s each"]
    assert rate_text(2.5, "images") == "2.5 images/s"


def test_every_bar_has_its_rate() -> None:
    with redirect_stderr(StringIO()) as text, progress_bar() as progress:
        progress.advance(progress.add_task("episodes", total=1000), 500)
        progress.advance(progress.task_ids[0], 500)
    assert "/s" in text.getvalue()


def test_a_single_item_has_its_rate_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 75.0])
    with redirect_stderr(StringIO()) as text, progress_bar() as progress:
        now = next(clock)
        monkeypatch.setattr(progress, "get_time", lambda: now)
        task = progress.add_task("segmenting", total=1)
        now = next(clock)
        progress.advance(task)
    assert "75.0 s each" in text.getvalue()
    assert "0:01:15" in text.getvalue()


def test_stages_have_a_bar_each_and_the_last_validation() -> None:
    with redirect_stderr(StringIO()) as text, progress_bar() as progress:
        show = stages_bar(progress, 2)
        show("score panet", None)
        show("panet", Progress(1, 2, 0.5, 43.25))
        show("panet", Progress(2, 2, 0.25, None))
        show("cdpn", Progress(1, 2, 0.75, None))
    shown = text.getvalue()
    assert "score panet" in shown
    assert "panet, iteration 1: loss 0.500  validation 43.2 mIoU" in shown
    assert "panet  loss 0.250  validation 43.2 mIoU" in shown
    assert "cdpn  loss 0.750" in shown


def test_a_command_goes_on_where_nobody_reads_its_progress() -> None:
    """As in `cdpnet label .. 2>&1 | head -1`."""
    for write in (_label_two, partial(to_standard_error, "a sentence")):
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "w", buffering=1) as closed, redirect_stderr(closed):  # noqa: PTH123
            write()
            to_standard_error("another")


def _label_two() -> None:
    say(error_console(), "a line")
    with labelling_bar() as show:
        show(0, 2)
        show(2, 2)


def test_a_table_that_nobody_reads_is_a_broken_pipe() -> None:
    """As in `cdpnet classes *.safetensors | true`; `main` handles that error."""
    reader, writer = os.pipe()
    os.close(reader)
    table = Table()
    table.add_column("file")
    with open(writer, "w") as closed, redirect_stdout(closed):  # noqa: PTH123
        printed(table)
        with pytest.raises(BrokenPipeError):
            closed.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), closed.fileno())
