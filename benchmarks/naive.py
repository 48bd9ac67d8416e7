"""The same equations, written straightforwardly: what the package's fast paths are measured against, and must equal.

Episodes one by one, every image in an encoder pass of its own, supports encoded again for each query, and the whole
N x N softmax for each of the two matches.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import MatchingConfig
from cdpnet.episode import EpisodeBatch
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes, mean_prototypes


def episodes(network: PrototypeNetwork, batch: EpisodeBatch) -> Tensor:
    """Logits (B, 2, H, W) of the queries."""
    return torch.cat([_episode(network, batch, i) for i in range(len(batch.query_images))])


def _episode(network: PrototypeNetwork, batch: EpisodeBatch, i: int) -> Tensor:
    shots = []
    for image, mask in zip(batch.support_images[i], batch.support_masks[i], strict=True):
        features = network.image.features(image[None])
        shots.append(network.learn_features(features[None], mask[None, None], (batch.class_names[i],)))
    return query(network, batch.query_images[i : i + 1], mean_prototypes(shots))


def query(network: PrototypeNetwork, image: Tensor, prototypes: Prototypes) -> Tensor:
    """Logits (1, 2, H, W) of an image (1, 3, H, W) for a class learned before."""
    features = network.image.features(image)
    if network.fusion is not None and prototypes.text is not None:
        features = network.fusion(features, prototypes.text)
    logits = refined(features, prototypes, network.config.matching)
    return F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=True)


def refined(features: Tensor, prototypes: Prototypes, config: MatchingConfig) -> Tensor:
    """The adaptive match with its refinement, (1, C, h, w) -> (1, 2, h, w)."""
    fg, bg = prototypes.foreground[:, :, None, None], prototypes.background[:, :, None, None]
    initial = _match(features, bg, fg, config)
    query_fg, query_bg = _query_prototypes(features, initial, config)
    fg1, bg1 = config.support_weight * fg + (1 - config.support_weight) * query_fg, query_bg
    first = _match(features, bg1, fg1, config)
    query_fg, query_bg = _query_prototypes(features, first, config)
    support, once, again = config.refinement_weights
    fg2 = config.support_weight * fg + (1 - config.support_weight) * query_fg
    fg2 = support * fg + once * fg1 + again * fg2
    bg2 = support * bg + once * bg1 + again * query_bg
    second = _match(features, bg2, fg2, config)
    return config.refined_share * second + (1 - config.refined_share) * first


def _match(features: Tensor, background: Tensor, foreground: Tensor, config: MatchingConfig) -> Tensor:
    cosines = [F.cosine_similarity(features, prototype, dim=1) for prototype in (background, foreground)]
    return config.temperature * torch.stack(cosines, dim=1)


def _query_prototypes(features: Tensor, logits: Tensor, config: MatchingConfig) -> tuple[Tensor, Tensor]:
    flat = features[0].flatten(1)  # (C, N)
    background, foreground = logits[0].flatten(1).softmax(dim=0)
    chosen_bg = _confident(background, config.background_threshold, config.fallback_locations)
    chosen_fg = _confident(foreground, config.foreground_threshold, config.fallback_locations)
    unit = F.normalize(flat, dim=0)
    scores = config.attention_scale * unit.T @ unit  # (N, N)
    weights = scores.masked_fill(~chosen_bg, -torch.inf).softmax(dim=1)
    adaptive = (weights @ flat.T).T.reshape(features.shape)
    shared = flat[:, chosen_bg].mean(dim=1)[None, :, None, None]
    share = config.shared_background_weight
    return flat[:, chosen_fg].mean(dim=1)[None, :, None, None], share * shared + (1 - share) * adaptive


def _confident(probability: Tensor, threshold: float, fallback: int) -> Tensor:
    chosen = probability > threshold
    if not chosen.any():
        chosen[probability.topk(min(fallback, len(probability))).indices] = True
    return chosen
