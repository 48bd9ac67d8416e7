"""EfficientNet-Lite2, the network of the encoder `photo`, for images whose sides are multiples of its output stride.

EfficientNet: Tan and Le, arXiv 1905.11946; Lite, without squeeze-and-excitation and with ReLU6, is by the same authors.
It is timm's `tf_efficientnet_lite2` at output stride 16, with the same parameters under the same names and in the same
order, and the same numbers up to rounding (a test compares). timm itself takes seconds to import, most of them for
models that are not used.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.runtime.products import on_cpu, point_convolution

STRIDE = 16  # of the output; without dilation it would be 32
_STEM, _HEAD, _CLASSES = 32, 1280, 1000  # channels
_EXPANSION = 6
_EPSILON = 1e-3  # of batch normalisation, as TensorFlow's authors trained it


class _Stage(NamedTuple):
    """Blocks of one width. stride, dilation: of the first block; the others have stride 1 and ``later_dilation``."""

    channels: int
    blocks: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    later_dilation: int = 1


# The first stage, of a block without expansion, comes before these. Stage 5 would halve the grid.
_STAGES = (
    _Stage(channels=24, blocks=3, kernel=3, stride=2),
    _Stage(channels=48, blocks=3, kernel=5, stride=2),
    _Stage(channels=88, blocks=4, kernel=3, stride=2),
    _Stage(channels=120, blocks=4, kernel=5),
    _Stage(channels=208, blocks=5, kernel=5, later_dilation=2),
    _Stage(channels=352, blocks=1, kernel=3, dilation=2),
)
_FIRST = 16  # channels of the first stage


class EfficientNetLite2(nn.Module):
    """The classifier of ImageNet's 1,000 classes, in parts, with random weights.

    stem: (B, 3, H, W) -> (B, 32, H / 2, W / 2). blocks: seven stages, to (B, 352, H / 16, W / 16). head: the features
    (B, 1280, H / 16, W / 16) that the classifier reads at each location, or pooled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Normalised(EvenConvolution(3, _STEM, 3), Norm(_STEM))
        stages: list[nn.Module] = [nn.Sequential(SeparableBlock(_STEM, _FIRST))]
        channels = _FIRST
        for stage in _STAGES:
            stages.append(_build_stage(channels, stage))
            channels = stage.channels
        self.blocks = nn.Sequential(*stages)
        self.head = _Normalised(Convolution(channels, _HEAD, 1, bias=False), Norm(_HEAD))
        self.classifier = nn.Linear(_HEAD, _CLASSES)
        self._initialise()

    def _initialise(self) -> None:
        """Random weights as the authors of EfficientNet draw them."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        limit = 1 / math.sqrt(_CLASSES)
        nn.init.uniform_(self.classifier.weight, -limit, limit)
        nn.init.zeros_(self.classifier.bias)


class Convolution(nn.Conv2d):
    """A convolution that can be called with other weights of the same shape."""

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, C, h, w) -> (B, C', h', w')."""
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h', w')."""
        return self.convolve(x, self.weight, self.bias)


class EvenConvolution(Convolution):
    """A convolution of stride 2 for even sizes, padded as TensorFlow pads it, which then depends on no size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=2, groups=groups, bias=False)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, C, h, w) -> (B, C', h / 2, w / 2)."""
        before, after = (self.kernel_size[0] - 2) // 2, (self.kernel_size[0] - 1) // 2
        if on_cpu(x):  # kernels with zeros before them, in place of a copy of x
            weight = F.pad(weight, (after - before, 0, after - before, 0))
            return F.conv2d(x, weight, bias, self.stride, after, self.dilation, self.groups)
        return super().convolve(F.pad(x, (before, after, before, after)), weight, bias)


class SeparableBlock(nn.Module):
    """A convolution of each channel on its own, then one of all channels at a location."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_dw = Convolution(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.bn1 = Norm(in_channels)
        self.conv_pw = Convolution(in_channels, out_channels, 1, bias=False)
        self.bn2 = Norm(out_channels, clips=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h, w)."""
        return normalised(normalised(x, self.conv_dw, self.bn1), self.conv_pw, self.bn2)


class InvertedResidual(nn.Module):
    """Six times the channels, a convolution of each on its own, fewer channels; added to an input of the same shape."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        wide = _EXPANSION * in_channels
        self.adds_input = stride == 1 and in_channels == out_channels
        self.conv_pw = Convolution(in_channels, wide, 1, bias=False)
        self.bn1 = Norm(wide)
        self.conv_dw = _depthwise(wide, kernel, stride, dilation)
        self.bn2 = Norm(wide)
        self.conv_pwl = Convolution(wide, out_channels, 1, bias=False)
        self.bn3 = Norm(out_channels, clips=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h / stride, w / stride)."""
        inner = normalised(normalised(x, self.conv_pw, self.bn1), self.conv_dw, self.bn2)
        result = normalised(inner, self.conv_pwl, self.bn3)
        return result + x if self.adds_input else result


class Norm(nn.BatchNorm2d):
    """Batch normalisation, and ReLU6 after it where it ``clips``."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, clips: bool = True) -> None:
        super().__init__(channels, _EPSILON)
        self.clips = clips

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        normal = super().forward(x)
        return F.relu6(normal, inplace=True) if self.clips else normal


class _Normalised(nn.Sequential):
    """A convolution and its batch normalisation."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h', w')."""
        convolution, norm = self
        assert isinstance(convolution, Convolution)
        assert isinstance(norm, Norm)
        return normalised(x, convolution, norm)


def normalised(x: Tensor, convolution: Convolution, norm: Norm) -> Tensor:
    """What a convolution and its batch normalisation make of x (B, C, h, w).

    On a CPU the weights of the convolution take the normalisation over, so that the output is gone through once less.
    """
    if norm.training or not on_cpu(x):
        result: Tensor = norm(convolution(x))
        return result
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight, bias = convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
    if convolution.kernel_size == (1, 1):
        found = point_convolution(x, weight, bias)
    else:
        found = convolution.convolve(x, weight, bias)
    return F.relu6(found, inplace=True) if norm.clips else found


def _build_stage(channels: int, stage: _Stage) -> nn.Sequential:
    first = InvertedResidual(channels, stage.channels, stage.kernel, stage.stride, stage.dilation)
    later = (
        InvertedResidual(stage.channels, stage.channels, stage.kernel, 1, stage.later_dilation)
        for _ in range(stage.blocks - 1)
    )
    return nn.Sequential(first, *later)


def _depthwise(channels: int, kernel: int, stride: int, dilation: int) -> Convolution:
    """A convolution of each channel on its own, in which an even size stays or is halved."""
    if stride == 2:
        return EvenConvolution(channels, channels, kernel, groups=channels)
    padding = dilation * (kernel - 1) // 2
    return Convolution(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False)
