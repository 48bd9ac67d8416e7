"""Large matrix products on a CPU, by the library that PyTorch has for convolutions there.

PyTorch gives products in float32 to MKL and convolutions to oneDNN, which on processors of AMD is twice as fast. A
product is a convolution by kernels of one pixel; where there is one thread, PyTorch gives that to MKL too, unless the
kernels are dilated, which changes nothing for one pixel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW = 2**22  # multiplications, for which it does not pay


def products(rows: Tensor, others: Tensor) -> Tensor:
    """Rows (B, N, C), others (B, M, C) -> all their inner products, (B, N, M)."""
    batch, n, channels = rows.shape
    m = others.shape[1]
    if n * m * channels <= _FEW or not _by_convolution(rows):
        return rows @ others.transpose(1, 2)
    image = rows.transpose(0, 1).reshape(1, n, 1, batch * channels).permute(0, 3, 1, 2)
    kernels = others.reshape(batch * m, channels, 1, 1)
    found = F.conv2d(image, kernels, dilation=2, groups=batch)  # (1, B * M, N, 1)
    return found.permute(2, 3, 0, 1).reshape(n, batch, m).transpose(0, 1)


def lay_out(others: Tensor) -> Tensor:
    """Others (B, M, C) of `products` as it reads them fastest, which pays where they are used more than once."""
    if not on_cpu(others):
        return others
    return others.contiguous() if _by_convolution(others) else others.transpose(1, 2).contiguous().transpose(1, 2)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As `torch.nn.functional.linear`: x (..., C), weight (M, C), bias (M,) -> (..., M)."""
    if x.numel() * len(weight) <= _FEW or not _by_convolution(x):
        return F.linear(x, weight, bias)
    image = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    found = point_convolution(image, weight[:, :, None, None], bias)
    return found.permute(0, 2, 3, 1).reshape(*x.shape[:-1], len(weight))


def point_convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution by kernels of one pixel: x (B, C, h, w), weight (M, C, 1, 1), bias (M,) -> (B, M, h, w)."""
    return F.conv2d(x, weight, bias, dilation=2 if _by_convolution(x) else 1)


def on_cpu(x: Tensor) -> bool:
    """Whether x is computed with on a CPU, and no compiler or exporter follows it; these have ways of their own."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def _by_convolution(x: Tensor) -> bool:
    return x.dtype == torch.float32 and on_cpu(x) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
