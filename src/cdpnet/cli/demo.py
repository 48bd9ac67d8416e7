"""The command demo: the embedded networks on novel classes, as a table of scores and an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdpnet.cli.demo_photographs import HOW_TO_GET, KNOWN, MIN_PRESENCE, NAME, find_photographs, segment_photographs
from cdpnet.cli.options import at_least_one, device_option
from cdpnet.cli.outputs import out_folder
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import print_line, printed, progress_bar

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from cdpnet.data.icons.episodes import IconEpisodes
    from cdpnet.network.network import PrototypeNetwork

FOLD, SHOTS, SEED = 0, 1, 0  # the embedded networks were trained on the base classes of this fold
IMAGE_FILE, PHOTOGRAPHS_FILE = "demo.png", "photographs.png"
_CANDIDATES = 48  # episodes that those of the image are chosen from
_PERCENTILES = (5, 20, 35, 50, 65, 80)  # percent of the candidates with a higher IoU of cdpn; shows good and bad ones


@dataclass(frozen=True)
class MethodScore:
    """One row of the table: a method and its scores in percent."""

    method: str
    miou: float
    fb_iou: float


def demo(arguments: list[str]) -> None:
    """Segment photographs, then evaluate the embedded networks on novel classes and draw some of the episodes."""
    parser = new_parser(
        "demo",
        "Find a cheetah in photographs; then score the embedded networks on classes that are novel to them.",
        "demo --out out/demo",
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder for the images")
    parser.add_argument("--episodes", type=int, default=120, help="episodes to score each method on; by default 120")
    device_option(parser)
    chosen = parser.parse_args(arguments)
    at_least_one("--episodes", chosen.episodes)

    from rich.table import Table

    from cdpnet.config import METHODS
    from cdpnet.runtime.devices import resolve_device

    device = resolve_device(chosen.device)
    with out_folder(chosen.out) as out:
        _show_photographs(out, chosen.device)
    with progress_bar() as progress:
        tasks = {name: progress.add_task(name, total=chosen.episodes) for name in METHODS}
        scores, image = demonstrate(out, chosen.episodes, device, lambda name, n: progress.advance(tasks[name], n))
    table = Table()
    for heading in ("method", "mIoU", "FB-IoU"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for score in scores:
        table.add_row(score.method, f"{score.miou:.1f}", f"{score.fb_iou:.1f}")
    print_line(f"Novel classes of fold {FOLD}, {SHOTS}-shot, {chosen.episodes} episodes, seed {SEED}, 128 px")
    printed(table)
    print_line(f"The image is {image}")


def _show_photographs(out: Path, device: str) -> None:
    """The first part of the demonstration, or how to get its photographs."""
    folder = find_photographs()
    if folder is None:
        print_line(HOW_TO_GET)
        return
    image = out / PHOTOGRAPHS_FILE
    print_line(f"A {NAME}, marked in one photograph, in three others (model photo, --min-presence {MIN_PRESENCE}):")
    for finding in segment_photographs(folder, image, device):
        found = f"{100 * finding.share:.1f} % of the image" if finding.share else "not found"
        print_line(f"  {finding.shows}: {found}")
    print_line(f"{KNOWN} The photographs are in {image}")


def demonstrate(
    out: Path, episodes: int, device: torch.device, progress: Callable[[str, int], object]
) -> tuple[list[MethodScore], Path]:
    """Score the three embedded networks on the same episodes, draw some of them, and return scores and image file.

    progress: called with a method and the number of episodes that were just scored.
    """
    from cdpnet.config import METHODS
    from cdpnet.data.icons.episodes import IconEpisodes
    from cdpnet.evaluation.loop import SegmentedBatch, evaluate
    from cdpnet.io.files import write_image
    from cdpnet.network.build import load_network

    def report(method: str) -> Callable[[SegmentedBatch], object]:
        return lambda segmented: progress(method, len(segmented.numbers))

    source = IconEpisodes(FOLD, SHOTS, "test", SEED)
    networks = {name: load_network("tiny", name).to(device) for name in METHODS}
    counts = {name: evaluate(network, source, episodes, watch=report(name)) for name, network in networks.items()}
    image = out / IMAGE_FILE
    write_image(_draw_episodes(source, networks), image)
    return [MethodScore(name, total.miou(), total.fb_iou()) for name, total in counts.items()], image


def _draw_episodes(source: IconEpisodes, networks: dict[str, PrototypeNetwork]) -> Image:
    """Support, query, truth and the mask of every method, for episodes from high to low IoU of cdpn."""
    import torch

    from cdpnet.report.images import episode_images, grid
    from cdpnet.runtime.metrics import foreground_iou

    drawn = source.draw(torch.arange(_CANDIDATES))
    device = next(networks["cdpn"].parameters()).device
    with torch.inference_mode():
        masks = {name: network(drawn.batch.to(device)).masks.cpu() for name, network in networks.items()}
    iou = 100 * foreground_iou(masks["cdpn"], drawn.query_masks)
    order = iou.argsort(descending=True).tolist()
    rows = []
    for better in _PERCENTILES:
        i = order[round(len(order) * better / 100)]
        images = episode_images(drawn, i, {name: mask[i] for name, mask in masks.items()})
        rows.append((f"{drawn.batch.class_names[i]}\n{better} % do better, IoU {iou[i]:.0f}", list(images.values())))
    return grid(rows, list(images))
