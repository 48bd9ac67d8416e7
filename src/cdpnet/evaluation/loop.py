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
from cdpnet.episode import EpisodeBatch
from cdpnet.evaluation.features import FeatureCache
from cdpnet.inference.refinement import refine_edges
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
    refine: bool = False,
    name_alone: bool = False,
    watch: Callable[[SegmentedBatch], object] | None = None,
) -> SegmentationCounts:
    """Segment the first ``count`` episodes and count their pixels.

    The result depends neither on the batch size, by default 8 where episodes can be stacked, nor on workers or
    processes, each of which takes a part of the batches.
    refine: whether edges are refined along the colours of the query, see `refine_edges`. name_alone: whether the
    supports are left unused, see `PrototypeNetwork.propose`; ConfigError where the network reads no names.
    watch: called with every batch that this process has segmented.
    """
    device = next(network.parameters()).device
    total = SegmentationCounts(len(episodes.class_names))
    each = batch or (_BATCH if episodes.stackable else 1)
    index = torch.split(torch.arange(count), each)[processes.rank :: processes.world]
    cache = None if episodes.stackable else FeatureCache(network)  # images of one size are new in every episode
    for numbers, drawn in zip(index, batches(episodes, index, workers), strict=True):
        with autocast(precision, device):
            masks = segment_episodes(network, drawn, episodes.ways, refine=refine, name_alone=name_alone, cache=cache)
        total.add(masks, drawn.query_masks, drawn.class_ids)
        if watch is not None:
            watch(SegmentedBatch(numbers.repeat_interleave(episodes.ways), drawn, masks.cpu()))
    return total.map(processes.total)


def segment_episodes(
    network: PrototypeNetwork,
    drawn: DrawnEpisodes,
    ways: int = 1,
    *,
    refine: bool = False,
    name_alone: bool = False,
    cache: FeatureCache | None = None,
) -> Tensor:
    """The masks of a batch in the space where it is scored, (B, H, W) int64, 0 or 1.

    Supports of several sizes are learned one by one: the method averages over shots, so nothing changes. Their features
    and those of the query come from the cache, if there is one. refine, name_alone: as in `evaluate`.
    """
    device = next(network.parameters()).device
    batch = drawn.batch.to(device)
    encode, size = cache.features if cache else network.image.features, batch.query_images.shape[-2:]
    if name_alone:
        features = torch.cat([encode(image[None]) for image in batch.query_images])
        prototypes = network.propose(features, network.encode_names(batch.class_names))
        prediction = network.match_features(features, prototypes, size)
    elif cache or drawn.separate_shots:  # one query
        learned = learn_episodes(network, drawn, cache)
        prediction = network.match_features(encode(batch.query_images[:1]), learned, size)
    else:
        prediction = network(batch)
    logits = prediction.logits
    if refine:
        logits = _refine(prediction.matches.output, batch.query_images, logits.shape[-2:])
    return winners(to_scoring_size(logits, drawn.unpadded_size, drawn.query_masks.shape[-2:]), ways)


def _refine(logits: Tensor, images: Tensor, size: Sequence[int]) -> Tensor:
    """Logits (B, 2, h, w) on the feature grid, of images (B, 3, H, W) -> refined logits of ``size``."""
    refined = refine_edges(log_odds(logits)[:, None].float(), images)
    refined = F.interpolate(refined, size=tuple(size), mode="bilinear", align_corners=True)
    return torch.cat((torch.zeros_like(refined), refined), dim=1)


def learn_episodes(network: PrototypeNetwork, drawn: DrawnEpisodes, cache: FeatureCache | None = None) -> Prototypes:
    """The prototypes of every row of a batch, from shots of one size or several, whose features may be in a cache."""
    device = next(network.parameters()).device
    rows = [
        mean_prototypes([_learn(network, shot.to(device), cache) for shot in shots]) for shots in drawn.separate_shots
    ]
    return stack_prototypes(rows) if rows else _learn(network, drawn.batch.to(device), cache)


def _learn(network: PrototypeNetwork, batch: EpisodeBatch, cache: FeatureCache | None) -> Prototypes:
    """The prototypes of a batch whose supports have one size; with a cache, they are encoded one by one."""
    if cache is None:
        return network.learn(batch.support_images, batch.support_masks, batch.class_names)
    images, masks = network.add_views(batch.support_images, batch.support_masks)
    grids = torch.cat([cache.features(image[None]) for image in images.flatten(0, 1)])
    return network.learn_features(grids.reshape(*images.shape[:2], *grids.shape[1:]), masks, batch.class_names)


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
