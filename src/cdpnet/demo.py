"""The demonstration: the embedded models on classes that they never saw with a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from cdpnet.config import METHODS
from cdpnet.data.icons import IconEpisodes
from cdpnet.evaluate import evaluate
from cdpnet.files import atomic
from cdpnet.labels.overlay import overlay
from cdpnet.metrics import counts
from cdpnet.network import PrototypeNetwork, load_network
from cdpnet.report import as_labels, grid, to_image

FOLD, SHOTS, SEED = 0, 1, 0  # the fold whose base classes trained the shipped heads
PICTURE = "demo.png"
_ROWS = 6


@dataclass(frozen=True)
class Row:
    """One line of the table, in percent."""

    method: str
    miou: float
    fb_iou: float


def demonstrate(out: Path, episodes: int, progress: Callable[[str, int], None]) -> tuple[list[Row], Path]:
    """Score the three shipped methods on the same episodes of novel classes and draw a grid of some of them."""
    source = IconEpisodes(FOLD, SHOTS, "test", SEED)
    rows, networks = [], {}
    for name in METHODS:
        networks[name] = load_network("tiny", name)
        total = evaluate(networks[name], source, episodes, progress=partial(progress, name))
        rows.append(Row(name, total.miou(), total.fb_iou()))
    picture = out / PICTURE
    with atomic(picture) as path:
        _drawn(source, networks).save(path)
    return rows, picture


@torch.inference_mode()
def _drawn(source: IconEpisodes, networks: dict[str, PrototypeNetwork]) -> Image.Image:
    """The first episodes of different classes: support, query, truth, and every method's answer."""
    drawn = source.draw(torch.arange(4 * _ROWS))
    ids = drawn.class_ids.tolist()
    chosen = [i for i, class_id in enumerate(ids) if class_id not in ids[:i]][:_ROWS]
    answers = {name: network(drawn.batch).masks for name, network in networks.items()}
    rows = []
    for i in chosen:
        support, query = drawn.batch.support_images[i, 0], drawn.batch.query_images[i]
        pictures = [overlay(support, as_labels(drawn.batch.support_masks[i, 0])), to_image(query)]
        pictures += [
            overlay(query, as_labels(mask)) for mask in (drawn.query_masks[i], *(a[i] for a in answers.values()))
        ]
        inter, union = counts(answers["cdpn"][i : i + 1], drawn.query_masks[i : i + 1])
        rows.append((f"{drawn.batch.class_names[i]}\ncdpn IoU {100 * inter[0, 1] / union[0, 1]:.0f}", pictures))
    return grid(rows, ["support", "query", "truth", *networks])
