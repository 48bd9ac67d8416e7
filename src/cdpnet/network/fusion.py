"""Part 1 of the method: image-text feature fusion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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

        W1 is stored as its two halves: W1 [F ; u] = W1_F F + W1_u u, so u is not copied to every location. Both layers
        are matrix products over channels-last features, the layout of the encoders.
        """
        if on_cpu(features) and not torch.is_grad_enabled() and not any(part.any() for part in self.out.parameters()):
            return features  # W2 and its bias are zero: not trained; on a GPU the question would take longer
        grid = features.flatten(-2).transpose(-1, -2)  # (B, N, C), or (B, K, N, C)
        shift = self.text_in(text).reshape(text.shape[0], *[1] * (grid.ndim - 2), -1)
        hidden = linear(grid, self.image_in.weight.flatten(1), self.image_in.bias).add_(shift).relu_()
        fused = grid + linear(hidden, self.out.weight.flatten(1), self.out.bias)
        return fused.transpose(-1, -2).reshape(features.shape)
