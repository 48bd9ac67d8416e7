"""Lines, tables and progress bars on the screen."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from cdpnet.runtime.text import counted, escape, form

if TYPE_CHECKING:
    from cdpnet.training.loop import Progress


def printed(table: Any) -> None:
    """A table on standard output. It is printed as text, since rich ends the process where nobody reads any more."""
    from rich.console import Console

    console = Console()
    with console.capture() as text:
        console.print(table)
    sys.stdout.write(text.get())  # its cells are escaped


def error_console() -> Any:
    """A console on standard error. Where nobody reads it any more, the command goes on without it."""
    from rich.console import Console

    class ErrorConsole(Console):
        def on_broken_pipe(self) -> None:  # which would end the process
            discard(sys.stderr)

    return ErrorConsole(stderr=True)


def print_line(line: str) -> None:
    """A line on standard output, as the plain ``print`` writes it but for what a terminal would obey."""
    print(escape(line))


def print_wrapped(line: str, indent: int) -> None:
    """A line broken at blanks to the width of the terminal, as tables are; a longer word, such as a path, stays whole.

    indent: blanks before each line but the first.
    """
    wrapper = textwrap.TextWrapper(
        width=shutil.get_terminal_size().columns,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for part in wrapper.wrap(escape(line)):
        print_line(part)


def say(console: Any, line: str) -> None:
    """A line as it is beside a bar: a path may hold brackets, and must not be broken."""
    console.print(escape(line), markup=False, highlight=False, soft_wrap=True)


def to_standard_error(sentence: object) -> None:
    """A sentence about the work, not one of its results, if somebody reads it; it may hold names of files."""
    try:
        print(escape(f"cdpnet: {sentence}"), file=sys.stderr, flush=True)
    except BrokenPipeError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Let what nobody reads any more go nowhere, so that the interpreter meets no error when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def progress_bar(*, visible: bool = True) -> Any:
    """A bar with the rate and the time left, at the end the time taken, on standard error."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            only = 1 / task.elapsed if task.finished and task.total == 1 and task.elapsed else 0  # has no speed
            return Text(rate_text(task.finished_speed or task.speed or only))

    description = TextColumn("{task.description}", markup=False)
    time = TimeRemainingColumn(elapsed_when_finished=True)
    columns = (description, BarColumn(), MofNCompleteColumn(), RateColumn(), time)
    return Progress(*columns, console=error_console(), disable=not visible)


def rate_text(rate: float, what: str = "") -> str:
    """A rate in words: so many of ``what`` a second; below one, the seconds that each takes. Empty for none."""
    if not rate:
        return ""
    return f"{rate:.1f}{what and ' ' + what}/s" if rate >= 1 else f"{1 / rate:.1f} s each"


def duration_text(seconds: float) -> str:
    """A time in the unit that people would tell it in."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return counted(round(seconds / 60), "minute") if seconds >= 90 else counted(max(1, round(seconds)), "second")


@contextmanager
def labelling_bar() -> Iterator[Callable[..., None]]:
    """A bar with the rate, the time left, and how many images failed; images that were done before do not count.

    It is called with the number of finished images, of all, and, where known, of those that failed in this run.

    After Ctrl-C it says how many images are done.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    start: list[tuple[float, int]] = []
    columns = (TextColumn("labelling"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeRemainingColumn(), console=error_console()) as progress:
        task = progress.add_task("", total=None, speed="")

        def show(done: int, total: int, failed: int = 0) -> None:
            if not start:
                start.append((monotonic(), done))
            passed = monotonic() - start[0][0]
            speed = rate_text((done - start[0][1]) / passed, "images") if passed else ""
            failures = f", {failed} failed" if failed else ""
            progress.update(task, completed=done, total=total, speed=speed + failures)

        try:
            yield show
        except KeyboardInterrupt:
            count, total = round(progress.tasks[0].completed), progress.tasks[0].total or "all"
            to_standard_error(f"{count} of {total} images {form(count, 'is', 'are')} finished.")
            raise
    if speed := progress.tasks[0].fields["speed"]:
        say(error_console(), speed)


def indexing_bar(progress: Any) -> Callable[[int, int], None]:
    """A bar of its own for the reading of a data set's labels, if there are any to read."""
    tasks: list[Any] = []

    def show(done: int, total: int) -> None:
        if not tasks:
            tasks.append(progress.add_task("reading labels", total=total))
        progress.update(tasks[0], completed=done, total=total, visible=done < total)

    return show


def counting_bar(progress: Any, name: str) -> Callable[[int, int], None]:
    """A bar that is called with how much is done, and of how much, which need not be known before."""
    task = progress.add_task(name, total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)


def training_bar(progress: Any, name: str, iterations: int) -> Callable[[Progress], None]:
    """A bar with the loss, the last validation and the time left."""
    name = escape(name)
    task = progress.add_task(name, total=iterations)
    validated = ""

    def show(state: Progress) -> None:
        nonlocal validated
        if state.validation_miou is not None:
            validated = f"  validation {state.validation_miou:.1f} mIoU"
            say(progress.console, f"{name}, iteration {state.iteration}: loss {state.loss:.3f}{validated}")
        progress.update(task, completed=state.iteration, description=f"{name}  loss {state.loss:.3f}{validated}")

    return show


def stages_bar(progress: Any, iterations: int) -> Callable[[str, Progress | None], None]:
    """A bar for each training of an experiment, and a line for each other stage."""
    bars: dict[str, Callable[[Progress], None]] = {}

    def show(stage: str, state: Progress | None) -> None:
        if state is None:
            say(progress.console, stage)
            return
        if stage not in bars:
            bars[stage] = training_bar(progress, stage, iterations)
        bars[stage](state)

    return show
