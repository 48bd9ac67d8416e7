"""Commands of research: train and evaluate."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cdpnet.cli.options import (
    chosen_keys,
    data_config,
    data_options,
    device_option,
    encoder_by_name,
    fold_or_all,
    get_weight_sources,
    keys_option,
    length_of_run,
    load_chosen_network,
    model_options,
    require_chosen_model,
    require_data,
    training_options,
    training_settings,
)
from cdpnet.cli.outputs import out_file, out_folder
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import indexing_bar, print_line, printed, progress_bar, say, training_bar
from cdpnet.errors import ConfigError, DataError

if TYPE_CHECKING:
    from cdpnet.evaluation.loop import SegmentedBatch
    from cdpnet.evaluation.results import EvaluationResult

_BEGINNINGS = {"json": b'{\n  "miou"', "page": b"<!doctype html>"}  # of the files that evaluate writes


def train(arguments: list[str]) -> None:
    """Train a network on episodes; several processes under torchrun."""
    from cdpnet.config import EncoderConfig

    parser = new_parser(
        "train",
        "Train a network on episodes of the embedded data or of a data set on disk.",
        "train --fold 0 --method cdpn --output-stride 8 --out runs/cdpn",
        "train --data coco --root COCO --encoder photo --fold 0 --out runs/coco-0",
        "train --fold 0 --method cdpn --output-stride 8 --out runs/cdpn --resume",
    )
    training_options(parser)
    parser.add_argument(
        "--fold", type=fold_or_all, default=0, help="fold whose classes stay novel, or all to train on every class"
    )
    parser.add_argument("--shots", type=int, default=1, help="labelled examples in an episode")
    parser.add_argument("--method", default="cdpn", help="panet, ssp or cdpn")
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for the checkpoint, the state and the log"
    )
    parser.add_argument("--resume", action="store_true", help="continue the run found in --out, if there is one")
    device_option(parser)
    chosen = parser.parse_args(encoder_by_name(arguments))
    config, data_settings, sources = training_settings(chosen), data_config(chosen), get_weight_sources(chosen)
    require_data(data_settings)

    import torch

    from cdpnet.config import SELECTIONS, method
    from cdpnet.data.episodes import open_episodes
    from cdpnet.data.protocols.disk import DataOnDisk
    from cdpnet.network.build import build_network
    from cdpnet.runtime.devices import resolve_device
    from cdpnet.runtime.distributed import processes
    from cdpnet.training.loop import train
    from cdpnet.training.run import STATE_FILE

    resolve_device(chosen.device)  # refused before the labels are read
    torch.manual_seed(config.seed)
    config_of_network = method(chosen.method, EncoderConfig(**vars(chosen.encoder)))
    with progress_bar() as progress:
        data = DataOnDisk(data_settings, indexing_bar(progress))
        episodes = open_episodes(
            data, chosen.fold, chosen.shots, "train", config.seed, category_share=chosen.category_share
        )
        for split in ("train", "val"):  # all labels are read before anything else starts
            dataclasses.replace(episodes, split=split).list_sha256(1)
    with (
        out_folder(chosen.out) as out,
        processes(chosen.device) as here,
        progress_bar(visible=here.first) as progress,
    ):
        network = build_network(config_of_network, sources).to(here.device)
        show = training_bar(progress, chosen.method, config.iterations)
        report = show if here.first else id  # the others are silent
        if here.first and chosen.resume and not (out / STATE_FILE).is_file():
            say(progress.console, f"{out} holds no state of an earlier run; --resume begins with the first iteration.")
        train(network, episodes, config, out, report, resume=chosen.resume, processes=here)
        if here.first:
            say(progress.console, f"The best checkpoint on {SELECTIONS[config.select_on]} is in {out}")


def evaluate(arguments: list[str]) -> None:
    """Score a network on novel classes of a data set."""
    from cdpnet.config import NAMES, Precision

    parser = new_parser(
        "evaluate",
        "Score a network on novel classes.",
        "evaluate --data icons --fold 0 --model runs/cdpn --json out.json",
        "evaluate --data coco --root COCO --protocol hsnet --fold 0 --shots 5 --model runs/coco-0",
    )
    data_options(parser)
    parser.add_argument("--fold", type=int, default=0, help="fold whose novel classes are segmented")
    parser.add_argument("--shots", type=int, default=1, help="labelled examples in an episode")
    parser.add_argument(
        "--episodes", type=int, default=None, help="number of episodes of each seed; by default the protocol's"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=None, help="seeds of the episodes; by default the protocol's"
    )
    parser.add_argument("--names", default="exact", choices=NAMES, help="names that the classes are given")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw episodes ahead")
    parser.add_argument("--refine", action="store_true", help="refine the edges of masks along the colours of queries")
    keys_option(parser)
    parser.add_argument(
        "--name_alone", action="store_true", help="segment by the names of the classes, without supports"
    )
    parser.add_argument(
        "--precision",
        type=Precision,
        default="float32",
        help="number format of large matrix products; bfloat16 is faster where there is hardware for it",
    )
    parser.add_argument(
        "--json", default="", metavar="FILE", help="file for the figures and the conditions they were measured under"
    )
    parser.add_argument(
        "--page", default="", metavar="FILE", help="file for a page with the best, median and worst episodes (.html)"
    )
    model_options(parser)
    device_option(parser)
    chosen = parser.parse_args(arguments)
    data = data_config(chosen)
    if chosen.workers < 0:
        raise DataError(f"--workers must not be negative, and is {chosen.workers}.")
    if chosen_keys(chosen) is not None and data.protocol != "cdpnet":
        raise ConfigError(
            f"The protocol {data.protocol} is for comparison with published figures, which are exact; leave "
            "--matching.keys out."
        )
    if chosen.page and data.ways > 1:
        raise DataError("--page shows episodes of one class; leave it out, or --ways.")
    if chosen.name_alone and chosen.names == "none":
        raise DataError("--name-alone segments by names, and --names none gives none; leave one of them out.")
    if chosen.json and chosen.page and Path(chosen.json).resolve() == Path(chosen.page).resolve():
        raise DataError(f"--json and --page both name {chosen.json}; give each a file of its own.")
    require_data(data)
    require_chosen_model(chosen)
    count, seeds = length_of_run(data, chosen.episodes, chosen.seeds)

    from cdpnet.data.episodes import open_episodes
    from cdpnet.data.protocols.disk import DataOnDisk
    from cdpnet.evaluation.results import score
    from cdpnet.io.files import write_json
    from cdpnet.report.gallery import Gallery, write_page
    from cdpnet.report.tables import score_table

    with ExitStack() as opened_here:
        outputs = {
            kind: opened_here.enter_context(out_file(path, beginning))
            for kind, beginning in _BEGINNINGS.items()
            if (path := chosen[kind])
        }
        network, gallery = load_chosen_network(chosen), Gallery(count)
        progress = opened_here.enter_context(progress_bar())
        opened = DataOnDisk(data, indexing_bar(progress))
        episodes = open_episodes(opened, chosen.fold, chosen.shots, "test", seeds[0], names=chosen.names)
        task = progress.add_task("episodes", total=count * len(seeds))

        def watch(segmented: SegmentedBatch) -> None:
            gallery.add(segmented)
            progress.advance(task, len(segmented.numbers) // data.ways)

        result = score(
            network,
            episodes,
            count,
            seeds,
            workers=chosen.workers,
            precision=chosen.precision,
            refine=chosen.refine,
            name_alone=chosen.name_alone,
            watch=watch,
        )
    printed(score_table([(chosen.model, result)]))
    print_line(_describe(result))
    if "json" in outputs:
        write_json(result.to_json(), outputs["json"])
    if "page" in outputs:
        write_page(gallery, network, episodes, result, outputs["page"])


def _describe(result: EvaluationResult) -> str:
    """The conditions of a result in a line."""
    rules = result.rules
    parts = (
        f"{rules.data} {rules.edition}".rstrip(),
        f"protocol {rules.protocol.partition(':')[0]}, fold {rules.fold} "
        f"({rules.fold_convention}), {rules.shots}-shot, names {rules.names}",
        result.drawn_episodes,
        f"list {result.list_sha256[0][:12]}",
        f"scored at {rules.evaluation_space} in {result.precision}",
        *(["edges refined"] if result.refine else []),
        *([] if (keys := result.network.matching.keys) is None else [f"at most {keys:,} keys of the background"]),
        *(["by the name alone"] if result.name_alone else []),
        f"a class never drawn {rules.unseen_class}",
        f"trained on {result.trained_on}",
        f"checkpoint selected on {result.checkpoint_selection}",
        f"novel in train: {result.novel_in_train}",
    )
    return "; ".join(parts)
