"""Commands that fit the decisions of a network on base classes: calibrate and levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cdpnet.cli.options import (
    at_least_one,
    data_config,
    data_options,
    device_option,
    fold_or_all,
    load_chosen_network,
    model_options,
    require_chosen_model,
    require_data,
    settings,
)
from cdpnet.cli.outputs import held_folder
from cdpnet.cli.parser import Parser, new_parser
from cdpnet.cli.screen import indexing_bar, print_line, printed, progress_bar
from cdpnet.errors import CdpnetError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from cdpnet.config import NetworkConfig
    from cdpnet.data.source import EpisodeSource
    from cdpnet.network.network import PrototypeNetwork

    Report = Callable[[str, int], object]
    Fit = Callable[[PrototypeNetwork, EpisodeSource, Report], tuple[NetworkConfig, Table]]


def calibrate(arguments: list[str]) -> None:
    """Find the thresholds for background pixels and absent classes, on base classes."""
    from cdpnet.training.allowance import Allowance

    parser = new_parser(
        "calibrate",
        "Find the thresholds for background pixels and for absent classes, on base classes.",
        "calibrate --model runs/cdpn --data icons --fold 0 --out runs/cdpn",
    )
    _options(parser, "number of episodes of base classes, and as many of novel ones")
    parser.add_class_arguments(Allowance, None, instantiate=False)
    chosen = parser.parse_args(arguments)
    allowance = settings(Allowance, chosen)

    def fit(network: PrototypeNetwork, episodes: EpisodeSource, report: Report) -> tuple[NetworkConfig, Table]:
        from cdpnet.report.tables import calibration_table
        from cdpnet.training.calibration import calibrate

        decision, measured = calibrate(network, episodes, chosen.episodes, report, allowance)
        return dataclasses.replace(network.config, decision=decision), calibration_table(measured)

    _run(chosen, fit)


def levels(arguments: list[str]) -> None:
    """Fit the level at which the mask of an image is cut, on base classes."""
    parser = new_parser(
        "levels",
        "Fit on base classes how the level is chosen at which the mask of an image is cut.",
        "levels --model photo --data coco --root coco --fold all --out runs/photo",
    )
    _options(parser, "number of episodes of base classes")
    chosen = parser.parse_args(arguments)

    def fit(network: PrototypeNetwork, episodes: EpisodeSource, report: Report) -> tuple[NetworkConfig, Table]:
        from cdpnet.report.tables import level_table
        from cdpnet.training.levels import fit_levels

        config, result = fit_levels(network, episodes, chosen.episodes, lambda done: report("base classes", done))
        return dataclasses.replace(network.config, level=config), level_table(result)

    _run(chosen, fit)


def _options(parser: Parser, episodes: str) -> None:
    """The options of both commands. episodes: what their number is."""
    data_options(parser)
    parser.add_argument(
        "--fold",
        type=fold_or_all,
        default=0,
        help="fold whose classes are novel to the network, or all for a network that was not trained",
    )
    parser.add_argument("--shots", type=int, default=1, help="labelled examples in an episode")
    parser.add_argument("--episodes", type=int, default=1000, help=episodes)
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for the network with what was found; can be --model's"
    )
    model_options(parser)
    device_option(parser)


def _run(chosen: Any, fit: Fit) -> None:
    """Load the network, fit it on episodes of base classes, save it and print what was measured."""
    at_least_one("--episodes", chosen.episodes)
    data = data_config(chosen)
    require_data(data)
    require_chosen_model(chosen)

    from cdpnet.data.episodes import open_episodes
    from cdpnet.data.protocols.disk import DataOnDisk

    network = load_chosen_network(chosen)
    with progress_bar() as progress, held_folder(chosen.out) as out:
        _refuse_another_network(out, network)
        opened = DataOnDisk(data, indexing_bar(progress))
        episodes = open_episodes(opened, chosen.fold, chosen.shots, "val")
        tasks: dict[str, int] = {}

        def show(stage: str, done: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=chosen.episodes)
            progress.update(tasks[stage], completed=done)

        network.config, table = fit(network, episodes, show)
        network.save(out)
    printed(table)
    print_line(f"The network with what was found is in {out}")


def _refuse_another_network(out: Path, network: PrototypeNetwork) -> None:
    """ConfigError where a folder holds a network that differs in more than what is fitted; it would be replaced."""
    from cdpnet.network.checkpoint import read_config
    from cdpnet.network.model_files import CONFIG_FILE, MODEL_FILE

    if not (out / CONFIG_FILE).exists() and not (out / MODEL_FILE).exists():
        return
    with suppress(CdpnetError):  # of a configuration that is missing, or of another program
        found = read_config(out / CONFIG_FILE)
        fitted = dataclasses.replace(network.config, decision=found.network.decision, level=found.network.level)
        if (found.network, found.record) == (fitted, network.record):
            return
    raise ConfigError(f"{out} holds another network, which would be replaced; give another --out.")
