"""The commands: nothing but parsing and printing. Heavy imports wait until a command needs them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.errors import CdpnetError, DataError
from cdpnet.hub import at_hand

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.encoders import WeightSources

_ABOUT = """usage: cdpnet COMMAND [options]

Few-shot semantic segmentation with CLIP prototypes.

commands:
  segment    mark a class in one picture or a few, get its masks in others
  demo       the embedded models on classes that they never saw with a mask
  train      train a network on episodes
  evaluate   score a network on episodes
  pretrain   train the embedded dual encoder from scratch

cdpnet COMMAND --help tells the options of a command; cdpnet --version the version."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 when all went well, 2 after bad input, with one sentence on standard error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        from importlib.metadata import version

        print(f"cdpnet {version('cdpnet')}")
        return 0
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_ABOUT)
        return 0 if arguments else 2
    command = _COMMANDS.get(arguments[0])
    if command is None:
        print(f"cdpnet: there is no command {arguments[0]!r}; there are {', '.join(_COMMANDS)}.", file=sys.stderr)
        return 2
    try:
        command(arguments[1:])
    except CdpnetError as error:
        print(f"cdpnet: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cdpnet: {error.filename or 'A file'} cannot be used ({error.strerror or error}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _segment(arguments: list[str]) -> None:
    parser = _parser("segment", "Find a class in pictures from one labelled example or a few.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="pictures to segment")
    parser.add_argument("--name", default="", help="what the class is called; leave out to go by the pictures alone")
    parser.add_argument(
        "--support", action="append", required=True, metavar="PICTURE:MASK", help="an example; may be given again"
    )
    parser.add_argument("--out", required=True, help="folder for the masks and overlays")
    parser.add_argument("--overwrite", action="store_true", help="replace results of an earlier run")
    _model_options(parser)
    chosen = parser.parse_args(arguments)
    supports = [_split(pair) for pair in chosen.support]
    out = Path(chosen.out)
    at_hand(chosen.model, chosen.image_weights)

    from cdpnet.bulk import Output, plan_outputs, segment_pictures
    from cdpnet.network import load_network
    from cdpnet.segmenter import Segmenter

    inputs = [Path(path) for pair in supports for path in pair]
    outputs = plan_outputs([Path(p) for p in chosen.pictures], out, inputs=inputs, overwrite=chosen.overwrite)
    segmenter = Segmenter(load_network(chosen.model, chosen.method, _sources(chosen)).to(_device()))
    learned = segmenter.learn(chosen.name, [image for image, _ in supports], [mask for _, mask in supports])
    with _progress() as progress:
        task = progress.add_task("segmenting", total=len(outputs))

        def show(output: Output, share: float) -> None:
            _say(progress.console, f"{output.mask}  {100 * share:.1f} % of the picture")
            progress.advance(task)

        segment_pictures(segmenter, learned, outputs, show)


def _demo(arguments: list[str]) -> None:
    parser = _parser("demo", "Show the embedded models on classes that they never saw with a mask.")
    parser.add_argument("--out", required=True, help="folder for the picture")
    parser.add_argument("--episodes", type=int, default=120, help="episodes to score each method on")
    chosen = parser.parse_args(arguments)
    _at_least_one("--episodes", chosen.episodes)

    from rich.console import Console
    from rich.table import Table

    from cdpnet.config import METHODS
    from cdpnet.demo import FOLD, SEED, SHOTS, demonstrate

    with _progress() as progress:
        tasks = {name: progress.add_task(name, total=chosen.episodes) for name in METHODS}
        rows, picture = demonstrate(
            _folder(chosen.out), chosen.episodes, lambda name, n: progress.advance(tasks[name], n)
        )
    table = Table()
    for heading in ("method", "mIoU", "FB-IoU"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        table.add_row(row.method, f"{row.miou:.1f}", f"{row.fb_iou:.1f}")
    console = Console()
    _say(console, f"Novel classes of fold {FOLD}, {SHOTS}-shot, {chosen.episodes} episodes, seed {SEED}, 128 px")
    console.print(table)
    _say(console, f"The picture is {picture}")


def _train(arguments: list[str]) -> None:
    from cdpnet.config import EncoderConfig
    from cdpnet.train import Progress, TrainConfig, train

    parser = _parser("train", "Train a network on episodes of the embedded data.")
    parser.add_argument("--fold", type=int, default=0, help="fold whose classes stay novel")
    parser.add_argument("--shots", type=int, default=1, help="labelled examples in an episode")
    parser.add_argument("--method", default="cdpn", help="panet, ssp or cdpn")
    parser.add_class_arguments(EncoderConfig, "encoder")
    parser.add_argument("--out", required=True, help="folder for the checkpoint; a run found there is continued")
    parser.add_class_arguments(TrainConfig, None, instantiate=False)
    _weight_options(parser)
    chosen = parser.parse_args(arguments)
    config = TrainConfig(**{name: chosen[name] for name in TrainConfig.__dataclass_fields__})

    import torch

    from cdpnet.config import method
    from cdpnet.data.icons import IconEpisodes
    from cdpnet.network import build_network

    torch.manual_seed(config.seed)
    encoder = EncoderConfig(**vars(chosen.encoder))
    config_of_network = dataclasses.replace(method(chosen.method), encoder=encoder)
    network = build_network(config_of_network, _sources(chosen)).to(_device())
    with _progress() as progress:
        task = progress.add_task(chosen.method, total=config.iterations)

        def show(state: Progress) -> None:
            progress.update(task, completed=state.iteration, description=f"loss {state.loss:.3f}")
            if state.validation_miou is not None:
                _say(progress.console, f"iteration {state.iteration}: base classes {state.validation_miou:.1f} mIoU")

        train(network, IconEpisodes(chosen.fold, chosen.shots, "train", config.seed), config, _folder(chosen.out), show)
    print(f"The best checkpoint on base classes is in {chosen.out}")


def _evaluate(arguments: list[str]) -> None:
    parser = _parser("evaluate", "Score a network on novel classes of the embedded data.")
    parser.add_argument("--fold", type=int, default=0, help="fold whose classes are asked for")
    parser.add_argument("--shots", type=int, default=1, help="labelled examples in an episode")
    parser.add_argument("--episodes", type=int, default=1000, help="number of episodes")
    parser.add_argument("--seed", type=int, default=0, help="seed of the episodes")
    _model_options(parser)
    chosen = parser.parse_args(arguments)

    from cdpnet.data.icons import IconEpisodes
    from cdpnet.evaluate import evaluate
    from cdpnet.network import load_network

    _at_least_one("--episodes", chosen.episodes)
    at_hand(chosen.model, chosen.image_weights)
    network = load_network(chosen.model, chosen.method, _sources(chosen)).to(_device())
    episodes = IconEpisodes(chosen.fold, chosen.shots, "test", chosen.seed)
    with _progress() as progress:
        task = progress.add_task("episodes", total=chosen.episodes)
        total = evaluate(network, episodes, chosen.episodes, progress=lambda n: progress.advance(task, n))
    print(f"fold {chosen.fold}, {chosen.shots}-shot, {chosen.episodes} episodes, seed {chosen.seed}, scored at 128 px")
    print(f"mIoU {total.miou():.2f}  FB-IoU {total.fb_iou():.2f}")


def _pretrain(arguments: list[str]) -> None:
    from cdpnet.pretrain import PretrainConfig, export, pretrain, zero_shot

    parser = _parser("pretrain", "Train the embedded dual encoder on captioned pictures, without masks.")
    parser.add_argument("--out", required=True, help="folder for the weights; a run found there is continued")
    parser.add_class_arguments(PretrainConfig, None, instantiate=False)
    chosen = parser.parse_args(arguments)
    config = PretrainConfig(**{name: chosen[name] for name in PretrainConfig.__dataclass_fields__})
    out = _folder(chosen.out)
    model = pretrain(config, out, print)
    path = export(model, out)
    seen, unseen = zero_shot(model, held_out=False), zero_shot(model, held_out=True)
    print(f"zero-shot top-1 among all names: {seen:.1f} on drawings of pretraining, {unseen:.1f} on held-out drawings")
    print(f"The weights are {path}")


_COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "segment": _segment,
    "demo": _demo,
    "train": _train,
    "evaluate": _evaluate,
    "pretrain": _pretrain,
}


def _parser(command: str, description: str) -> ArgumentParser:
    from jsonargparse import ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    return ArgumentParser(prog=f"cdpnet {command}", description=description)


def _model_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="tiny", help="a named pair of encoders, timm:NAME, or a checkpoint folder")
    parser.add_argument("--method", default="", help="panet, ssp or cdpn, where the model leaves the choice")
    _weight_options(parser)


def _weight_options(parser: ArgumentParser) -> None:
    parser.add_argument("--image_weights", "--image-weights", default="", help="file for the image tower, or random")
    parser.add_argument("--text_weights", "--text-weights", default="", help="file for the text tower, or random")


def _sources(chosen: Any) -> WeightSources:
    from cdpnet.encoders import WeightSources

    return WeightSources(chosen.image_weights, chosen.text_weights)


def _say(console: Any, line: str) -> None:
    """A line as it is: a path may hold brackets, and must not be broken."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _folder(path: str) -> Path:
    """A folder to write to, made before the work starts. DataError where it cannot be one."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be a folder to write to ({error.strerror}); give another --out.") from None
    return Path(path)


def _at_least_one(option: str, value: int) -> None:
    if value < 1:
        raise DataError(f"{option} must be at least 1, not {value}.")


def _device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _split(pair: str) -> tuple[str, str]:
    """PICTURE:MASK; the last colon divides, so a picture's path may hold others."""
    picture, _, mask = pair.rpartition(":")
    if not picture or not mask:
        raise DataError(f"--support {pair} is not of the form PICTURE:MASK, such as photo.jpg:mask.png.")
    return picture, mask


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
