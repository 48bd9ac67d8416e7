"""Commands for benchmarks: data check, data episodes, table, ablate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cdpnet.cli.options import (
    data_config,
    data_options,
    device_option,
    encoder_by_name,
    get_weight_sources,
    length_of_run,
    require_data,
    settings,
    training_options,
    training_settings,
    weight_options,
    with_preset,
)
from cdpnet.cli.outputs import out_folder
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import indexing_bar, print_line, print_wrapped, printed, progress_bar, stages_bar
from cdpnet.data.config import DataConfig
from cdpnet.errors import DataError
from cdpnet.runtime.extras import require_matplotlib
from cdpnet.runtime.text import counted, form

if TYPE_CHECKING:  # the network is loaded where it is needed
    from cdpnet.report.benchmark import BenchmarkTable

_MARKS = {True: "yes", False: "no", None: ""}
_WHAT = """usage: cdpnet data check|episodes [options]

check     count, look for broken files, hash every list; ends with yes or no
episodes  print the episodes of a protocol, one line each: class from 0, query, supports"""


def data(arguments: list[str]) -> int:
    """Check a data set on disk, or print the episodes of a protocol."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(_WHAT)
        return 0
    if arguments[:1] == ["check"]:
        return _check(arguments[1:])
    if arguments[:1] == ["episodes"]:
        return _episodes(arguments[1:])
    raise DataError(f"cdpnet data takes check or episodes, not {arguments[0] if arguments else 'nothing'!r}.")


def _check(arguments: list[str]) -> int:
    """Print the findings; returns 1 where one differs from the benchmark, else 0."""
    parser = new_parser(
        "data check",
        "Check that a data set is the one that the benchmarks use.",
        "data check --data pascal --root VOC2012",
    )
    data_options(parser)
    chosen = data_config(parser.parse_args(arguments))
    if chosen.data == "icons":
        raise DataError("The icons are embedded; give --data pascal, coco, fss or folder, and its --root.")
    require_data(chosen)
    return 1 if print_findings(chosen) else 0


def print_findings(config: DataConfig, shots: Sequence[int] = (1, 5)) -> int:
    """Check a data set and print what is found; the number of findings that differ from the benchmark."""
    from cdpnet.data.check import check
    from cdpnet.data.protocols.disk import DataOnDisk

    with progress_bar() as progress:
        opened = DataOnDisk(dataclasses.replace(config, skip_broken=True), indexing_bar(progress))
        findings = list(check(opened, shots))
    for finding in findings:
        published = f", published {finding.expected}" if finding.expected else ""
        mark = f"{_MARKS[finding.fits]:3}  "
        print_wrapped(f"{mark}{finding.what}: {finding.found}{published}", indent=len(mark))
    wrong = sum(finding.fits is False for finding in findings)
    do_not = form(wrong, "does not", "do not")
    differs = f"no: {wrong} of {counted(len(findings), 'finding')} {do_not} fit"
    print_line(differs if wrong else "yes: nothing speaks against it")
    return wrong


def _episodes(arguments: list[str]) -> int:
    parser = new_parser(
        "data episodes",
        "Print the episodes of a protocol: class from 0, query, supports.",
        "data episodes --data pascal --root VOC2012 --protocol ssp --fold 0 --shots 1",
    )
    data_options(parser)
    parser.add_argument("--fold", type=int, default=0, help="fold whose novel classes are segmented")
    parser.add_argument("--shots", type=int, default=1, help="labelled examples in an episode")
    parser.add_argument("--episodes", type=int, default=None, help="number of episodes; by default the protocol's")
    parser.add_argument("--seed", type=int, default=None, help="seed of the episodes; by default the protocol's first")
    parser.add_argument("--hash", action="store_true", help="print the SHA-256 of the lines instead")
    chosen = parser.parse_args(arguments)
    config = data_config(chosen)
    if not config.splits:  # lists name the images, so none are needed
        require_data(config)
    count, seeds = length_of_run(config, chosen.episodes, None if chosen.seed is None else [chosen.seed])

    from cdpnet.data.episodes import open_episodes
    from cdpnet.data.protocols.disk import DataOnDisk

    with progress_bar() as progress:
        data = DataOnDisk(config, indexing_bar(progress))
        episodes = open_episodes(data, chosen.fold, chosen.shots, "test", seeds[0])
        shown = [episodes.list_sha256(count)] if chosen.hash else list(episodes.list_lines(count))
    for line in shown:  # after the bar, which holds standard output until then
        print_line(line)
    return 0


def table(arguments: list[str]) -> None:
    """Train and score a whole table."""
    from cdpnet.config import EncoderConfig
    from cdpnet.experiments.config import TableConfig

    parser = new_parser(
        "table",
        "Train and score methods on all folds of a data set; finished parts are not computed again.",
        "table --data pascal --encoder resnet50 --root VOC2012 --out runs/pascal-r50",
        "table --data icons --encoder tiny --methods '[ssp,cdpn]' --folds '[0]' --out runs/icons",
    )
    training_options(parser)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder for the runs, results.json and table.md")
    parser.add_class_arguments(TableConfig, None, instantiate=False)
    device_option(parser)
    chosen = parser.parse_args(with_preset(encoder_by_name(arguments)))
    config, training = settings(TableConfig, chosen), training_settings(chosen)
    data_settings, sources = data_config(chosen), get_weight_sources(chosen)
    require_data(data_settings)

    from cdpnet.configs import read_published
    from cdpnet.data.protocols.disk import DataOnDisk
    from cdpnet.experiments.benchmark_table import Recipe, run_table
    from cdpnet.report.benchmark import BenchmarkTable
    from cdpnet.runtime.devices import resolve_device

    encoder = EncoderConfig(**vars(chosen.encoder))
    device = resolve_device(chosen.device)
    with progress_bar() as progress, out_folder(chosen.out) as out:
        data = DataOnDisk(data_settings, indexing_bar(progress))
        recipe = Recipe(data, encoder, training, chosen.category_share, sources, device)
        results = run_table(config, recipe, out, stages_bar(progress, training.iterations))
    print_benchmark(BenchmarkTable(results, read_published(chosen.data)), out)


def print_benchmark(table: BenchmarkTable, out: Path) -> None:
    """Print a benchmark's table, and write it to its folder."""
    for of_shots in table.for_terminal():
        printed(of_shots)
    print_line(table.caption)
    print_line(f"The table is {table.write(out)}, its figures are in {out / 'results.json'}")


def ablate(arguments: list[str]) -> None:
    """Train and score the rows of the paper's ablation, and the controls."""
    from cdpnet.config import TrainConfig
    from cdpnet.experiments.ablation_rows import AblationConfig

    parser = new_parser(
        "ablate",
        "Train and score the rows of the paper's ablation with equal budgets.",
        "ablate --fold 0 --train.output-stride 8 --out runs/ablation",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="folder for the runs, the table and the plot; finished parts are not computed again",
    )
    parser.add_class_arguments(AblationConfig, None, instantiate=False)
    parser.add_class_arguments(TrainConfig, "train", instantiate=False)
    weight_options(parser)
    device_option(parser)
    chosen = parser.parse_args(arguments)
    config, training = settings(AblationConfig, chosen), training_settings(chosen.train)
    sources = get_weight_sources(chosen)

    from cdpnet.experiments.ablation import ablate
    from cdpnet.report.markdown import ablation_markdown
    from cdpnet.report.plots import plot_ablation
    from cdpnet.report.tables import score_table
    from cdpnet.runtime.devices import resolve_device

    require_matplotlib()
    device = resolve_device(chosen.device)
    with progress_bar() as progress, out_folder(chosen.out) as out:
        report = stages_bar(progress, training.iterations)
        results = ablate(config, training, out, report, sources, device)
    printed(score_table([(f"{entry.description} ({entry.row})", entry.result) for entry in results]))
    print_line(f"The table is {ablation_markdown(results, out)}")
    print_line(f"The plot is {plot_ablation(results, out)}")
