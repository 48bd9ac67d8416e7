"""Part 4 of the method: the multi-prototype matching loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import NetworkConfig
from cdpnet.network.matching import match
from cdpnet.network.outputs import Prediction
from cdpnet.network.prototypes import masked_average_pooling
from cdpnet.runtime.constants import IGNORE_INDEX


def multi_prototype_loss(
    prediction: Prediction,
    support_masks: Tensor,
    query_masks: Tensor,
    config: NetworkConfig,
    labels: Tensor | None = None,
) -> dict[str, Tensor]:
    """The weighted terms of the loss by name, scalars to be summed; 255 is ignored.

    support_masks (B, K, H, W), query_masks (B, H, W). labels (B, K + 1, H, W), supports first: the number of every
    pixel's name in the vocabulary, which the background follows; -1 is ignored. With the switch off there is the
    output's term alone. A term whose match is switched off is absent. Episodes without a name add nothing to the text
    term, whose mean is over all episodes, so that a batch costs the mean of its halves.
    """
    weights, tau = config.loss, config.matching.temperature
    terms = {"output": weights.output * _cross_entropy(prediction.logits, query_masks)}
    if not config.multi_prototype_loss:
        return terms
    matches, query, support = prediction.matches, prediction.query_features, prediction.support_features
    if matches.refined is not None and matches.adaptive is not None:  # without it the first match is the output
        terms["adaptive"] = weights.adaptive * _cross_entropy(matches.adaptive, query_masks)
    terms["query_self"] = weights.query_self * _self_match(query, query_masks, tau)
    if support is None:
        raise ValueError("The loss needs a prediction that was made from supports, with gradients.")
    shots, shot_masks = support.flatten(0, 1), support_masks.flatten(0, 1)
    terms["support_self"] = weights.support_self * _self_match(shots, shot_masks, tau)
    text = prediction.prototypes.text
    if text is not None:
        named = prediction.prototypes.named
        if named.any():
            background = prediction.prototypes.background[named]
            on_query = match(query[named], background, text[named], tau)
            k = support.shape[1]
            shots_bg, shots_text = background.repeat_interleave(k, dim=0), text[named].repeat_interleave(k, dim=0)
            on_support = match(support[named].flatten(0, 1), shots_bg, shots_text, tau)
            losses = _cross_entropy(on_query, query_masks[named], of=query_masks)
            losses = losses + _cross_entropy(on_support, support_masks[named].flatten(0, 1), of=support_masks)
            terms["text"] = weights.text * losses
    if prediction.naming is not None and labels is not None:
        terms["naming"] = weights.naming * naming_loss(prediction.naming, labels)
    return terms


def naming_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Our choice: cross-entropy of the match with all names, on its own grid (a score for each pixel would be large).

    logits (B, K, n, h, w), labels (B, K, H, W), -1 ignored -> scalar; 0 if all is ignored.
    """
    flat = logits.flatten(0, 1).float()
    small = F.interpolate(labels.flatten(0, 1)[:, None].float(), size=flat.shape[-2:], mode="nearest")[:, 0].long()
    total = F.cross_entropy(flat, small, ignore_index=-1, reduction="sum")
    return total / (small >= 0).sum().clamp(min=1)


def _self_match(features: Tensor, masks: Tensor, temperature: float) -> Tensor:
    """Features against the prototypes pooled from themselves with their own mask: (B, C, h, w), (B, H, W) -> scalar."""
    background = masked_average_pooling(features, masks == 0)
    foreground = masked_average_pooling(features, masks == 1)
    return _cross_entropy(match(features, background, foreground, temperature), masks)


def _cross_entropy(logits: Tensor, masks: Tensor, of: Tensor | None = None) -> Tensor:
    """Cross-entropy at the masks' size: logits (B, 2, h, w), masks (B, H, W) -> scalar; 0 if all is ignored.

    of: the masks over whose pixels the mean is taken, if there are more of them than those scored.
    """
    if logits.shape[-2:] != masks.shape[-2:]:
        logits = F.interpolate(logits, size=masks.shape[-2:], mode="bilinear", align_corners=True)
    counted = ((masks if of is None else of) != IGNORE_INDEX).sum()
    total = F.cross_entropy(logits, masks.long(), ignore_index=IGNORE_INDEX, reduction="sum")
    return total / counted.clamp(min=1)
