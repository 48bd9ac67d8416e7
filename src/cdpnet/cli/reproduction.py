"""The command reproduce."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cdpnet.cli.benchmarks import print_benchmark, print_findings
from cdpnet.cli.options import (
    data_config,
    device_option,
    encoder_by_name,
    get_weight_sources,
    require_data,
    settings,
    training_options,
    training_settings,
    with_preset,
)
from cdpnet.cli.outputs import out_folder
from cdpnet.cli.parser import given_values, new_parser
from cdpnet.cli.screen import duration_text, indexing_bar, print_line, progress_bar, stages_bar
from cdpnet.config import EncoderConfig
from cdpnet.encoders.catalogue import require_image_weights
from cdpnet.errors import DataError
from cdpnet.experiments.config import ReproductionConfig
from cdpnet.runtime.text import counted

_BENCHMARKS = ("pascal", "coco")
_ENCODER = "resnet50"


def reproduce(arguments: list[str]) -> int:
    """Check data and weights, tell the time, train all folds, and score them under each protocol.

    Returns 1 where the data is not that of the benchmark.
    """
    parser = new_parser(
        "reproduce",
        "Reproduce a table: check data and weights, tell the time it takes, train all folds, score them under each "
        "protocol, and print the figures beside published ones. A stopped run is continued.",
        "reproduce pascal --root VOC2012 --estimate --out runs/pascal",
        "reproduce coco --root COCO --encoder resnet101 --out runs/coco",
    )
    parser.add_argument("benchmark", metavar="pascal|coco", help="the benchmark: PASCAL-5i or COCO-20i")
    training_options(parser)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder for the networks, results and tables")
    parser.add_argument("--estimate", action="store_true", help="check, tell the time, and stop")
    parser.add_argument("--any_data", action="store_true", help="go on although the data is not that of the benchmark")
    parser.add_class_arguments(ReproductionConfig, None, instantiate=False)
    device_option(parser)
    given = encoder_by_name(arguments)
    benchmark = parser.parse_args(given).benchmark  # which the settings of the package depend on
    if benchmark not in _BENCHMARKS:
        raise DataError(f"cdpnet reproduce takes pascal or coco, not {benchmark}; `cdpnet table` takes any data.")
    chosen = parser.parse_args(with_preset(_named(benchmark, given)))
    if chosen.data != chosen.benchmark:
        raise DataError(f"--data {chosen.data} is not the benchmark {chosen.benchmark}; leave --data out.")
    config, training = settings(ReproductionConfig, chosen), training_settings(chosen)
    data, sources = data_config(chosen), get_weight_sources(chosen)
    require_data(data)
    require_image_weights(chosen.encoder.name, chosen.image_weights)

    from cdpnet.configs import read_published
    from cdpnet.data.protocols.disk import DataOnDisk
    from cdpnet.experiments.benchmark_table import Recipe
    from cdpnet.experiments.reproduction import estimate, reproduce
    from cdpnet.report.benchmark import BenchmarkTable
    from cdpnet.runtime.devices import resolve_device

    device = resolve_device(chosen.device)
    differs = print_findings(dataclasses.replace(data, splits=""), shots=config.shots) > 0
    if differs and not chosen.any_data:
        print_line("Figures on other data cannot be compared; --any-data goes on all the same.")
        return 1
    encoder = EncoderConfig(**vars(chosen.encoder))
    with progress_bar() as progress:
        opened = DataOnDisk(data, indexing_bar(progress))
        recipe = Recipe(opened, encoder, training, chosen.category_share, sources, device)
        time = estimate(config, recipe, Path(chosen.out))
    print_line(
        f"It takes about {duration_text(time.seconds)} on {device}: {counted(time.networks, 'network')}, "
        f"{counted(time.steps, 'step')} of {time.step_seconds:.2f} s, "
        f"{counted(time.episodes, 'episode')} of {time.episode_seconds:.2f} s. "
        "It can be stopped, and the same command goes on."
    )
    if chosen.estimate:
        return 0
    with progress_bar() as progress, out_folder(chosen.out) as out:
        done = list(reproduce(config, recipe, out, stages_bar(progress, training.iterations)))
    if differs:
        print_line("The data is not that of the benchmark, so published figures cannot be compared with these.")
    for protocol, results, folder in done:
        print_line(f"Protocol {protocol}:")
        print_benchmark(BenchmarkTable(results, read_published(chosen.data)), folder)
    return 0


def _named(benchmark: str, arguments: list[str]) -> list[str]:
    """Arguments with the benchmark as ``--data`` too.

    By default the encoder is the first of the paper's table, and trainings have the protocol of SSP.
    """
    given = ["--data", benchmark, *arguments]
    defaults = [] if given_values(given, "--config") else ["--protocol", "ssp"]
    return [*defaults, *([] if given_values(given, "--encoder.name") else ["--encoder.name", _ENCODER]), *given]
