"""What several commands share: options, and words on the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.errors import DataError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.data.disk import DataConfig
    from cdpnet.encoders import WeightSources


def new_parser(command: str, description: str) -> ArgumentParser:
    """An empty parser of a command."""
    from jsonargparse import ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    return ArgumentParser(prog=f"cdpnet {command}", description=description)


def model_options(parser: ArgumentParser) -> None:
    """Which network to use."""
    parser.add_argument("--model", default="tiny", help="a named pair of encoders, timm:NAME, or a checkpoint folder")
    parser.add_argument("--method", default="", help="panet, ssp or cdpn, where the model leaves the choice")
    weight_options(parser)


def weight_options(parser: ArgumentParser) -> None:
    """Where the encoders' weights come from."""
    parser.add_argument("--image_weights", "--image-weights", default="", help="file for the image tower, or random")
    parser.add_argument("--text_weights", "--text-weights", default="", help="file for the text tower, or random")


def weight_sources(chosen: Any) -> WeightSources:
    """Where the weights come from, as `weight_options` took it."""
    from cdpnet.encoders import WeightSources

    return WeightSources(chosen.image_weights, chosen.text_weights)


def data_options(parser: ArgumentParser) -> None:
    """Which episodes, under which rules."""
    from cdpnet.data.disk import DataConfig

    parser.add_class_arguments(DataConfig, None, instantiate=False)


def data_config(chosen: Any) -> DataConfig:
    """What `data_options` took."""
    from cdpnet.data.disk import DataConfig

    return DataConfig(**{name: chosen[name] for name in DataConfig.__dataclass_fields__})


def length_of_run(data: DataConfig, episodes: int | None, seeds: Sequence[int] | None) -> tuple[int, list[int]]:
    """Number of episodes and seeds, by default the protocol's. DataError for none, or for a seed given twice."""
    from cdpnet.data.episodes import published_length

    count, usual = published_length(data)
    count, chosen = count if episodes is None else episodes, list(usual if seeds is None else seeds)
    at_least_one("--episodes", count)
    if len(set(chosen)) < len(chosen):
        raise DataError(f"--seeds must all be different, and are {' '.join(map(str, chosen))}.")
    return count, chosen


def indexing_bar(progress: Any) -> Callable[[int, int], None]:
    """A bar of its own for the reading of a data set's labels, if there are any to read."""
    tasks: list[Any] = []

    def show(done: int, total: int) -> None:
        if not tasks:
            tasks.append(progress.add_task("reading labels", total=total))
        progress.update(tasks[0], completed=done, total=total, visible=done < total)

    return show


def printed(table: Any) -> None:
    """A table on standard output."""
    from rich.console import Console

    Console().print(table)


def say(console: Any, line: str) -> None:
    """A line as it is: a path may hold brackets, and must not be broken."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def out_folder(path: str) -> Path:
    """A folder to write to, made before the work starts. DataError where it cannot be one."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be a folder to write to ({error.strerror}); give another --out.") from None
    return Path(path)


def out_file(path: str) -> Path:
    """A file to write to, looked at before the work starts. DataError where it cannot be one."""
    out_folder(str(Path(path).parent))
    if Path(path).is_dir() or not Path(path).name:
        raise DataError(f"{path} is a folder; give the name of a file to write.")
    return Path(path)


def at_least_one(option: str, value: int) -> None:
    """DataError where an option counts something and is less than one."""
    if value < 1:
        raise DataError(f"{option} must be at least 1, not {value}.")


def progress_bar(*, visible: bool = True) -> Any:
    """A bar with the time left, on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not visible)
