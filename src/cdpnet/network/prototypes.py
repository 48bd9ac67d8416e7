"""Part 2 of the method: masked average pooling and the multi-modal support prototype (MSP)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.network.outputs import Prototypes

_EPSILON = 1e-5  # SSP


def masked_average_pooling(features: Tensor, indicator: Tensor) -> Tensor:
    """MAP(F, m) = sum(F * m) / (sum(m) + 1e-5), with m brought to the feature grid (method, Notation).

    features (..., C, h, w), indicator (..., H, W), 1 where a pixel counts and 0 elsewhere -> (..., C).
    """
    lead = features.shape[:-3]
    weights = to_grid(indicator.reshape(-1, *indicator.shape[-2:]), features.shape[-2:])
    grid = features.reshape(-1, *features.shape[-3:]).flatten(2).transpose(1, 2)  # (B, N, C), as in memory
    total = (weights.flatten(1)[:, None] @ grid)[:, 0]
    return (total / (weights.sum(dim=(1, 2)) + _EPSILON)[:, None]).reshape(*lead, features.shape[-3])


def to_grid(indicator: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Bilinear, align_corners=True: (B, H, W) -> (B, h, w) float."""
    resized = F.interpolate(indicator[:, None].float(), size=tuple(size), mode="bilinear", align_corners=True)
    return resized[:, 0]


class SupportPrototypes(nn.Module):
    """Prototypes of a class from its supports; multi-modal (the MSP generator), or the plain visual mean.

    fg = a_v * mean_k v + a_m * mean_k m + a_t * u, with v = MAP(F_s, fg), m = MAP(F^m_s, fg) and (a_v, a_m, a_t) the
    softmax of three learned numbers; bg = mean_k MAP(F^m_s, bg). With ``background_name`` (our choice) bg is mixed
    with the projected word for background, by two numbers more. The weights do not depend on K.
    """

    def __init__(self, *, multimodal: bool, background_name: bool) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(3)) if multimodal else None
        self.background_mix = nn.Parameter(torch.zeros(2)) if background_name else None

    def forward(
        self,
        visual: Tensor,
        pool_fused: Callable[[Tensor], Tensor] | None,
        masks: Tensor,
        text: Tensor | None,
        named: Tensor,
        background_text: Tensor | None = None,
    ) -> Prototypes:
        """Prototypes of B classes.

        visual: F_s, (B, K, C, h, w). pool_fused: gives MAP(F^m_s, indicator) of an indicator (B, K, H, W); None where
        F^m_s is F_s. masks: (B, K, H, W), 255 is ignored.
        text: u (B, C). named: (B,) bool, False where an episode has no name; its weight of u goes to v and m.
        background_text: (1, C), the projected word for background, for networks with ``background_name``.
        """
        foreground, background = masks == 1, masks == 0
        pool_visual = partial(masked_average_pooling, visual)
        v = pool_visual(foreground).mean(dim=1)
        b = (pool_fused or pool_visual)(background).mean(dim=1)
        if self.background_mix is not None and background_text is not None:
            of_image, of_word = self.background_mix.softmax(dim=0)
            b = of_image * b + of_word * background_text
        if self.mix is None or text is None:
            return Prototypes(b, v, text)
        m = pool_fused(foreground).mean(dim=1) if pool_fused else v
        without_text = F.pad(self.mix[:2], (0, 1), value=-torch.inf)
        weights = torch.where(named[:, None], self.mix, without_text).softmax(dim=1)
        prototype = torch.einsum("bi,ibc->bc", weights, torch.stack((v, m, text)))
        return Prototypes(b, prototype, text)
