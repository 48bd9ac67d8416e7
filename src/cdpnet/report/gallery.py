"""A page with the best, the median and the worst episodes of an evaluation."""

from __future__ import annotations

import html
from pathlib import Path

import torch

from cdpnet.data.source import EpisodeSource
from cdpnet.evaluation.loop import SegmentedBatch, segment_episodes
from cdpnet.evaluation.results import EvaluationResult
from cdpnet.io.files import write_text
from cdpnet.network.network import PrototypeNetwork
from cdpnet.report.html import render_page
from cdpnet.report.images import data_address, episode_images
from cdpnet.report.tables import format_miou
from cdpnet.runtime.metrics import foreground_iou
from cdpnet.runtime.text import counted

_EACH = 6  # episodes of a kind
_STYLE = """
body { max-width: 60rem; }
section { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.5rem 1rem; }
figure div { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
img { width: 100%; border-radius: 4px; display: block; }
figcaption, p { color: GrayText; }
"""


class Gallery:
    """The IoU of each of the first ``count`` episodes of an evaluation."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.scored: list[tuple[float, int]] = []  # IoU, episode number

    def add(self, segmented: SegmentedBatch) -> None:
        """Add a batch that was segmented."""
        iou = foreground_iou(segmented.masks, segmented.drawn.query_masks)
        self.scored += list(zip(iou.tolist(), segmented.numbers.tolist(), strict=True))
        del self.scored[self.count :]

    def chosen(self) -> dict[str, list[tuple[float, int]]]:
        """IoU and number of the best, the median and the worst episodes."""
        order = sorted(self.scored, reverse=True)
        middle = max(0, len(order) // 2 - _EACH // 2)
        return {"Best": order[:_EACH], "Median": order[middle : middle + _EACH], "Worst": order[-_EACH:]}


def write_page(
    gallery: Gallery, network: PrototypeNetwork, episodes: EpisodeSource, result: EvaluationResult, path: Path
) -> None:
    """Write one file with all images in it: support, query, truth and answer of each chosen episode."""
    parts = [
        f"<p>{counted(result.episodes, 'episode')}, names {result.rules.names}, list {result.list_sha256[0][:12]}. "
        "Of each: support, query, truth, answer.</p>"
    ]
    for kind, chosen in gallery.chosen().items():
        figures = [_figure(network, episodes, number, iou) for iou, number in chosen]
        parts.append(f"<h2>{kind}</h2><section>{''.join(figures)}</section>")
    title = f"{episodes.shots}-shot, fold {episodes.fold}: {format_miou(result)} mIoU"
    write_text(render_page(title, _STYLE, "".join(parts)), path)


@torch.inference_mode()
def _figure(network: PrototypeNetwork, episodes: EpisodeSource, number: int, iou: float) -> str:
    drawn = episodes.draw(torch.tensor([number]))
    answer = segment_episodes(network, drawn)[0].cpu()
    name = episodes.class_names[int(drawn.class_ids[0])]
    by_kind = episode_images(drawn, 0, {"answer": answer})
    images = "".join(
        f"<img alt='{kind} of {html.escape(name)}' src='{data_address(image)}'>" for kind, image in by_kind.items()
    )
    caption = f"{html.escape(name)}, IoU {100 * iou:.0f}, episode {number}"
    return f"<figure><div>{images}</div><figcaption>{caption}</figcaption></figure>"
