"""Layers of any image encoder whose work is matrix products, by `cdpnet.runtime.products`."""

from __future__ import annotations

from torch import Tensor, nn

from cdpnet.runtime.products import linear, point_convolution


class ProductLinear(nn.Linear):
    """A linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C')."""
        return linear(x, self.weight, self.bias)


class PointConvolution(nn.Conv2d):
    """A convolution by kernels of one pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h, w)."""
        return point_convolution(x, self.weight, self.bias)


def use_products(network: nn.Module) -> None:
    """Let the linear layers of a network and its convolutions of one pixel be products; their parameters stay."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = ProductLinear
        elif type(module) is nn.Conv2d and _is_of_one_pixel(module):
            module.__class__ = PointConvolution


def _is_of_one_pixel(module: nn.Conv2d) -> bool:
    return module.kernel_size == module.stride == (1, 1) and module.padding in (0, (0, 0)) and module.groups == 1
