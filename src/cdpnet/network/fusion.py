"""Part 1 of the method: image-text feature fusion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.network.prototypes import masked_average_pooling
from cdpnet.runtime.products import linear, on_cpu


class TextProjection(nn.Module):
    """u = P t: the text feature of a class name in the channels of the image features.

    text_channels: the first of the channels that live in the text space already, where P starts as the identity times
    ``length``.
    """

    def __init__(self, text_dim: int, channels: int, text_channels: int | None = None, length: float = 1.0) -> None:
        super().__init__()
        self.linear = nn.Linear(text_dim, channels, bias=False)
        if text_channels is None and text_dim == channels:
            text_channels = 0
        if text_channels is not None:
            nn.init.zeros_(self.linear.weight)
            nn.init.eye_(self.linear.weight[text_channels:])
            self.linear.weight.data *= length

    def forward(self, text: Tensor) -> Tensor:
        """(B, D) -> (B, C)."""
        projected: Tensor = self.linear(text)
        return projected


class ImageTextFusion(nn.Module):
    """F^m = F + W2 relu(W1 [F ; u]) at every location; W2 starts at zero, so training starts purely visual."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.image_in = nn.Conv2d(channels, width, kernel_size=1)
        self.text_in = nn.Linear(channels, width, bias=False)
        self.out = nn.Conv2d(width, channels, kernel_size=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, text: Tensor) -> Tensor:
        """Features (B, C, h, w), or (B, K, C, h, w) for supports, with u (B, C) -> fused features of the same shape.

        Both layers are matrix products over channels-last features, the layout of the encoders.
        """
        if self._adds_nothing(features):
            return features
        grid = features.flatten(-2).transpose(-1, -2)  # (B, N, C), or (B, K, N, C)
        fused = grid + linear(self._hidden(grid, text), self.out.weight.flatten(1), self.out.bias)
        return fused.transpose(-1, -2).reshape(features.shape)

    def pooling(self, features: Tensor, text: Tensor) -> Callable[[Tensor], Tensor]:
        """MAP(F^m, m), see `masked_average_pooling`, as a function of m; features and text as in `forward`.

        F^m itself is not made: W2 is linear, so it can follow the mean over locations.
        """
        if self._adds_nothing(features):
            return partial(masked_average_pooling, features)
        lead, size = features.shape[:-3], features.shape[-2:]
        hidden = self._hidden(features.flatten(-2).transpose(-1, -2), text).transpose(-1, -2)
        hidden = hidden.reshape(*lead, self.image_in.out_channels, *size)
        ones = features.new_ones(*lead, 1, *size)
        bias = self.out.bias
        assert bias is not None

        def pool(indicator: Tensor) -> Tensor:
            of_image, of_hidden, share = (masked_average_pooling(part, indicator) for part in (features, hidden, ones))
            return of_image + F.linear(of_hidden, self.out.weight.flatten(1)) + share * bias

        return pool

    def _adds_nothing(self, features: Tensor) -> bool:
        """Whether W2 and its bias are zero: not trained; on a GPU the question would take longer than the layers."""
        return on_cpu(features) and not torch.is_grad_enabled() and not any(p.any() for p in self.out.parameters())

    def _hidden(self, grid: Tensor, text: Tensor) -> Tensor:
        """relu(W1 [F ; u]) of a grid (B, N, C) or (B, K, N, C) -> (..., N, width).

        W1 is stored as its two halves: W1 [F ; u] = W1_F F + W1_u u, so u is not copied to every location.
        """
        shift = self.text_in(text).reshape(text.shape[0], *[1] * (grid.ndim - 2), -1)
        return linear(grid, self.image_in.weight.flatten(1), self.image_in.bias).add_(shift).relu_()
