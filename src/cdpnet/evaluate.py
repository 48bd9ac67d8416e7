"""The only evaluation loop: training, the command line, the demonstration and the tests all call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cdpnet.data.icons import EpisodesDrawn, IconEpisodes
from cdpnet.data.loader import batches
from cdpnet.distributed import ALONE, Processes
from cdpnet.metrics import SegmentationCounts
from cdpnet.network import PrototypeNetwork


class Answered(NamedTuple):
    """A batch that was segmented: numbers of its episodes (B,), what was drawn, predicted masks (B, H, W)."""

    numbers: Tensor
    drawn: EpisodesDrawn
    masks: Tensor


@torch.inference_mode()
def evaluate(
    network: PrototypeNetwork,
    episodes: IconEpisodes,
    count: int,
    *,
    batch: int = 8,
    workers: int = 0,
    processes: Processes = ALONE,
    watch: Callable[[Answered], object] | None = None,
) -> SegmentationCounts:
    """Segment the first ``count`` episodes and count their pixels.

    The result depends neither on the batch size nor on workers or processes, each of which takes a part of the batches.
    watch: called with every batch that this process has segmented.
    """
    network.eval()
    device = next(network.parameters()).device
    total = SegmentationCounts(len(episodes.class_names))
    index = torch.split(torch.arange(count), batch)[processes.rank :: processes.world]
    for numbers, drawn in zip(index, batches(episodes, index, workers), strict=True):
        masks = network(drawn.batch.to(device)).masks
        total.add(masks, drawn.query_masks, drawn.class_ids)
        if watch is not None:
            watch(Answered(numbers, drawn, masks.cpu()))
    return total.map(processes.total)
