"""Commands for those who label: segment, demo."""

from __future__ import annotations

from pathlib import Path

from cdpnet.cli.options import at_least_one, model_options, out_folder, weight_sources
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import progress_bar, say
from cdpnet.errors import DataError
from cdpnet.hub import at_hand


def segment(arguments: list[str]) -> None:
    """Find a class in pictures from one labelled example or a few."""
    parser = new_parser("segment", "Find a class in pictures from one labelled example or a few.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="pictures to segment")
    parser.add_argument("--name", default="", help="what the class is called; leave out to go by the pictures alone")
    parser.add_argument(
        "--support", action="append", required=True, metavar="PICTURE:MASK", help="an example; may be given again"
    )
    parser.add_argument("--out", required=True, help="folder for the masks and overlays")
    parser.add_argument("--overwrite", action="store_true", help="replace results of an earlier run")
    model_options(parser)
    chosen = parser.parse_args(arguments)
    supports = [_split(pair) for pair in chosen.support]
    out = Path(chosen.out)
    at_hand(chosen.model, chosen.image_weights)

    from cdpnet.bulk import Output, plan_outputs, segment_pictures
    from cdpnet.distributed import device_at_hand
    from cdpnet.network import load_network
    from cdpnet.segmenter import Segmenter

    inputs = [Path(path) for pair in supports for path in pair]
    outputs = plan_outputs([Path(p) for p in chosen.pictures], out, inputs=inputs, overwrite=chosen.overwrite)
    segmenter = Segmenter(load_network(chosen.model, chosen.method, weight_sources(chosen)).to(device_at_hand()))
    learned = segmenter.learn(chosen.name, [image for image, _ in supports], [mask for _, mask in supports])
    with progress_bar() as progress:
        task = progress.add_task("segmenting", total=len(outputs))

        def show(output: Output, share: float) -> None:
            say(progress.console, f"{output.mask}  {100 * share:.1f} % of the picture")
            progress.advance(task)

        segment_pictures(segmenter, learned, outputs, show)


def demo(arguments: list[str]) -> None:
    """Show the embedded models on classes that they never saw with a mask."""
    parser = new_parser("demo", "Show the embedded models on classes that they never saw with a mask.")
    parser.add_argument("--out", required=True, help="folder for the picture")
    parser.add_argument("--episodes", type=int, default=120, help="episodes to score each method on")
    chosen = parser.parse_args(arguments)
    at_least_one("--episodes", chosen.episodes)

    from rich.console import Console
    from rich.table import Table

    from cdpnet.config import METHODS
    from cdpnet.demo import FOLD, SEED, SHOTS, demonstrate

    with progress_bar() as progress:
        tasks = {name: progress.add_task(name, total=chosen.episodes) for name in METHODS}
        rows, picture = demonstrate(
            out_folder(chosen.out), chosen.episodes, lambda name, n: progress.advance(tasks[name], n)
        )
    table = Table()
    for heading in ("method", "mIoU", "FB-IoU"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        table.add_row(row.method, f"{row.miou:.1f}", f"{row.fb_iou:.1f}")
    console = Console()
    say(console, f"Novel classes of fold {FOLD}, {SHOTS}-shot, {chosen.episodes} episodes, seed {SEED}, 128 px")
    console.print(table)
    say(console, f"The picture is {picture}")


def _split(pair: str) -> tuple[str, str]:
    """PICTURE:MASK; the last colon divides, so a picture's path may hold others."""
    picture, _, mask = pair.rpartition(":")
    if not picture or not mask:
        raise DataError(f"--support {pair} is not of the form PICTURE:MASK, such as photo.jpg:mask.png.")
    return picture, mask
