"""The demonstration: the embedded models on classes that they never saw with a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from cdpnet.config import METHODS
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.evaluation.loop import SegmentedBatch, evaluate
from cdpnet.io.files import atomic
from cdpnet.network.build import load_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.report.images import episode_images, grid
from cdpnet.runtime.metrics import foreground_iou

FOLD, SHOTS, SEED = 0, 1, 0  # the fold whose base classes trained the shipped heads
IMAGE = "demo.png"
_SHOWN_OF = 48  # episodes, of which one stands for each of
_PERCENTILES = (5, 20, 35, 50, 65, 80)  # of cdpn's IoU, so that the image is neither the best nor the worst of it


@dataclass(frozen=True)
class MethodScore:
    """One line of the table, in percent."""

    method: str
    miou: float
    fb_iou: float


def demonstrate(out: Path, episodes: int, progress: Callable[[str, int], None]) -> tuple[list[MethodScore], Path]:
    """Score the three shipped methods on the same episodes of novel classes and draw a grid of some of them."""
    source = IconEpisodes(FOLD, SHOTS, "test", SEED)
    rows, networks = [], {}
    for name in METHODS:
        networks[name] = load_network("tiny", name)
        total = evaluate(networks[name], source, episodes, watch=_counting(name, progress))
        rows.append(MethodScore(name, total.miou(), total.fb_iou()))
    image = out / IMAGE
    with atomic(image) as path:
        _drawn(source, networks).save(path)
    return rows, image


def _counting(name: str, progress: Callable[[str, int], None]) -> Callable[[SegmentedBatch], None]:
    return lambda answered: progress(name, len(answered.numbers))


@torch.inference_mode()
def _drawn(source: IconEpisodes, networks: dict[str, PrototypeNetwork]) -> Image.Image:
    """Support, query, truth and every method's answer, for episodes from the best to the worst of `cdpn`'s."""
    drawn = source.draw(torch.arange(_SHOWN_OF))
    answers = {name: network(drawn.batch).masks for name, network in networks.items()}
    iou = 100 * foreground_iou(answers["cdpn"], drawn.query_masks)
    order = iou.argsort(descending=True).tolist()
    rows = []
    for better in _PERCENTILES:
        i = order[round(len(order) * better / 100)]
        images = episode_images(drawn, i, {name: answer[i] for name, answer in answers.items()})
        rows.append((f"{drawn.batch.class_names[i]}\n{better} % do better, IoU {iou[i]:.0f}", list(images.values())))
    return grid(rows, list(images))
