"""The only evaluation loop: training, the command line, the demonstration and the tests all call it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from cdpnet.data.icons import IconEpisodes
from cdpnet.metrics import SegmentationCounts
from cdpnet.network import PrototypeNetwork


@torch.inference_mode()
def evaluate(
    network: PrototypeNetwork,
    episodes: IconEpisodes,
    count: int,
    *,
    batch: int = 8,
    progress: Callable[[int], object] = int,
) -> SegmentationCounts:
    """Segment the first ``count`` episodes and count their pixels; the result does not depend on the batch size."""
    network.eval()
    device = next(network.parameters()).device
    total = SegmentationCounts(len(episodes.class_names))
    for index in torch.split(torch.arange(count), batch):
        drawn = episodes.draw(index)
        prediction = network(drawn.batch.to(device))
        total.add(prediction.masks, drawn.query_masks, drawn.class_ids)
        progress(len(index))
    return total
