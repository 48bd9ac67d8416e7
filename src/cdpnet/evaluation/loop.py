"""The only evaluation loop: training, the command line, the demonstration and the tests all call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import Precision
from cdpnet.data.loader import batches
from cdpnet.data.source import DrawnEpisodes, EpisodeSource
from cdpnet.network.decision import decide, log_odds
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes, mean_prototypes, stack_prototypes
from cdpnet.runtime.devices import autocast
from cdpnet.runtime.distributed import ALONE, Processes
from cdpnet.runtime.metrics import SegmentationCounts

_BATCH = 8


class SegmentedBatch(NamedTuple):
    """A segmented batch: the episode number of each row (B,), the episodes, predicted masks (B, H, W)."""

    numbers: Tensor
    drawn: DrawnEpisodes
    masks: Tensor


@torch.inference_mode()
def evaluate(
    network: PrototypeNetwork,
    episodes: EpisodeSource,
    count: int,
    *,
    batch: int | None = None,
    workers: int = 0,
    processes: Processes = ALONE,
    precision: Precision = "float32",
    watch: Callable[[SegmentedBatch], object] | None = None,
) -> SegmentationCounts:
    """Segment the first ``count`` episodes and count their pixels.

    The result depends neither on the batch size, by default 8 where episodes can be stacked, nor on workers or
    processes, each of which takes a part of the batches.
    watch: called with every batch that this process has segmented.
    """
    device = next(network.parameters()).device
    total = SegmentationCounts(len(episodes.class_names))
    each = batch or (_BATCH if episodes.stackable else 1)
    index = torch.split(torch.arange(count), each)[processes.rank :: processes.world]
    for numbers, drawn in zip(index, batches(episodes, index, workers), strict=True):
        with autocast(precision, device):
            masks = segment_episodes(network, drawn, episodes.ways)
        total.add(masks, drawn.query_masks, drawn.class_ids)
        if watch is not None:
            watch(SegmentedBatch(numbers.repeat_interleave(episodes.ways), drawn, masks.cpu()))
    return total.map(processes.total)


def segment_episodes(network: PrototypeNetwork, drawn: DrawnEpisodes, ways: int = 1) -> Tensor:
    """The masks of a batch in the space where it is scored, (B, H, W) int64, 0 or 1.

    Supports of several sizes are learned one by one: the method averages over shots, so nothing changes.
    """
    device = next(network.parameters()).device
    batch = drawn.batch.to(device)
    if drawn.separate_shots:
        logits = network.match(batch.query_images[:1], learn_episodes(network, drawn)).logits
    else:
        logits = network(batch).logits
    return winners(to_scoring_size(logits, drawn.unpadded_size, drawn.query_masks.shape[-2:]), ways)


def learn_episodes(network: PrototypeNetwork, drawn: DrawnEpisodes) -> Prototypes:
    """The prototypes of every row of a batch, from shots of one size or several."""
    device = next(network.parameters()).device
    if not drawn.separate_shots:
        batch = drawn.batch.to(device)
        return network.learn(batch.support_images, batch.support_masks, batch.class_names)
    rows = [
        [
            network.learn(shot.support_images.to(device), shot.support_masks.to(device), shot.class_names)
            for shot in shots
        ]
        for shots in drawn.separate_shots
    ]
    return stack_prototypes([mean_prototypes(shots) for shots in rows])


def to_scoring_size(logits: Tensor, unpadded_size: tuple[int, int] | None, size: Sequence[int]) -> Tensor:
    """Logits (B, 2, H', W') without the padding, brought to ``size``: (B, 2, H, W)."""
    if unpadded_size is not None:
        logits = logits[..., : unpadded_size[0], : unpadded_size[1]]
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=True)


def winners(logits: Tensor, ways: int) -> Tensor:
    """Masks of rows of which ``ways`` in a row ask for classes of one query: (B, 2, H, W) -> (B, H, W), 0 or 1.

    The ``ways`` classes of a query compete, see `decide`.
    """
    labels = decide(log_odds(logits).reshape(-1, ways, *logits.shape[-2:]), absent=None, background=0.0)
    numbers = torch.arange(1, ways + 1, device=logits.device)[:, None, None]
    return (labels[:, None] == numbers).flatten(0, 1).long()
