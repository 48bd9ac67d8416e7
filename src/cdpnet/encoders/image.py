"""Image -> feature grid, one interface over residual networks, CLIP transformers and any model of timm."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from shutil import which
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.modified_resnet import Bottleneck
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from cdpnet.errors import ConfigError

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_PIXELS_AT_ONCE = 2**18  # on a CPU: larger activations do not fit its caches and are slow
_STEM_STRIDE = 4  # of CLIP's residual towers, before their first stage


class ImageEncoder(nn.Module):
    """Base of all image encoders: it normalises images and stays in eval mode.

    BatchNorm never updates its statistics (SSP), also after `.train()`. channels: C of the feature grid. stride: in
    pixels of the image. mean, std: of the three colours, for images in 0..1.
    """

    mean: Tensor
    std: Tensor
    text_channels: int | None = None
    """The first of the last channels, which lie in the space of the text encoder; None for none."""
    name_length: float = 1.0
    """The length that the name of a class starts with in these channels."""
    own: tuple[int, ...] = ()
    """Numbers of the stages that are trained unless a configuration says otherwise."""

    def __init__(self, *, channels: int, stride: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> ImageEncoder:  # noqa: ARG002
        """Do nothing: an encoder stays in eval mode, and training changes only which parameters get gradients."""
        super().train(False)
        return self

    def features(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in 0..1, of any size -> (B, C, h, w), h about H / stride."""
        if images.dtype == torch.uint8:
            images = images.float() / 255
        normalised = (images - self.mean) / self.std
        normalised = normalised.contiguous(memory_format=torch.channels_last)  # the fastest for convolutions
        if images.device.type != "cpu" or torch.compiler.is_exporting():  # an exported graph holds for any size
            return self.grid(normalised)
        parts = torch.split(normalised, max(1, _PIXELS_AT_ONCE // normalised[0, 0].numel()))
        return self.grid(normalised) if len(parts) == 1 else torch.cat([self.grid(part) for part in parts])

    def grid(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, C, h, w)."""
        raise NotImplementedError

    def trainable_stages(self) -> list[nn.Module]:
        """The parts that can be trained, from the image on."""
        raise NotImplementedError

    def set_trained(self, trained: str) -> None:
        """Choose what is trained: own, frozen, all, or last:N stages; BatchNorm never is. ConfigError for too many."""
        stages = self.trainable_stages()
        count = int(trained.removeprefix("last:")) if trained.startswith("last:") else len(stages)
        if count > len(stages):
            raise ConfigError(
                f"encoder.trained is {trained}, but this image encoder has {len(stages)} stages to train."
            )
        chosen = {"own": self.own, "frozen": ()}.get(trained, range(len(stages) - count, len(stages)))
        self.requires_grad_(False)
        for i in chosen:
            stages[i].requires_grad_(True)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):  # frozen affine parameters (SSP)
                module.requires_grad_(False)

    def compile_grid(self) -> None:
        """Replace `grid` by its compiled version (torch.compile). ConfigError without a C++ compiler."""
        if next(self.parameters()).device.type == "cpu" and not any(map(which, (os.environ.get("CXX", "g++"), "c++"))):
            raise ConfigError("torch.compile needs a C++ compiler, and there is none; install g++, or do without it.")
        self.grid = torch.compile(self.grid)  # type: ignore[method-assign]

    @contextmanager
    def at_stride(self, stride: int) -> Iterator[None]:
        """Use another output stride inside a ``with`` block; 0 keeps the own one. ConfigError where it is fixed."""
        own = self.stride
        if stride in (0, own):
            yield
            return
        self.set_stride(stride)
        try:
            yield
        finally:
            self.set_stride(own)

    def set_stride(self, stride: int) -> None:
        """Change the output stride, in pixels of the image. ConfigError where the encoder's is fixed."""
        raise ConfigError(f"The output stride of this encoder is {self.stride}; it cannot become {stride}.")


class StagedEncoder(ImageEncoder):
    """A sequence of stages; those with the numbers ``trained`` are trained by default, the others frozen."""

    def __init__(
        self,
        stages: Sequence[nn.Module],
        *,
        trained: Sequence[int],
        channels: int,
        stride: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__(channels=channels, stride=stride, mean=mean, std=std)
        self.stages, self.own = nn.ModuleList(stages), tuple(trained)
        self.set_trained("own")
        self.eval()

    def trainable_stages(self) -> list[nn.Module]:
        """All stages."""
        return list(self.stages)

    def grid(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, C, h, w)."""
        for stage in self.stages:
            images = stage(images)
        return images

    def set_stride(self, stride: int) -> None:
        """Change the output stride by dilation; ConfigError for networks other than residual towers of CLIP."""
        blocks = _bottlenecks(self.stages)
        coarsest = _STEM_STRIDE * math.prod(block.stride for block in blocks)
        allowed = [s for s in (4, 8, 16, 32) if s <= coarsest] if blocks else [self.stride]
        if stride not in allowed:
            raise ConfigError(f"The output stride of this encoder is one of {allowed}, not {stride}.")
        dilate(self.stages, stride)
        self.stride = stride


class ClipTransformer(ImageEncoder):
    """Patch tokens of a CLIP vision transformer, for any input size; frozen by default.

    dense_attention: ``plain`` takes the tokens after the last block. ``value`` and ``self`` replace the attention of
    the last block by its values alone (MaskCLIP), or by the self-correlation of queries and of keys (SCLIP), and
    project the tokens into the text space.
    """

    def __init__(self, visual: VisionTransformer, dense_attention: str) -> None:
        patch = int(visual.patch_size[0])
        width = int(visual.conv1.out_channels)
        text_dim = int(visual.proj.shape[1])
        channels = width if dense_attention == "plain" else text_dim
        super().__init__(channels=channels, stride=patch, mean=CLIP_MEAN, std=CLIP_STD)
        self.visual: VisionTransformer = visual.requires_grad_(False)
        self.dense_attention = dense_attention
        self.eval()

    def trainable_stages(self) -> list[nn.Module]:
        """The blocks of the transformer."""
        return list(self.visual.transformer.resblocks)

    def grid(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, C, h, w)."""
        images = to_multiple(images, self.stride)
        h, w = images.shape[-2] // self.stride, images.shape[-1] // self.stride
        tokens = self.tokens(images)[:, 1:]
        return tokens.transpose(1, 2).reshape(images.shape[0], -1, h, w)

    def tokens(self, images: Tensor) -> Tensor:
        """Class token and patch tokens of normalised images whose sides are multiples of the patch: (B, 1 + N, C)."""
        visual = self.visual
        x = visual.conv1(images)
        positions = self._positions(x.shape[-2], x.shape[-1])
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat((visual.class_embedding.expand(x.shape[0], 1, -1), x), dim=1)
        x = visual.ln_pre(x + positions)
        *blocks, last = visual.transformer.resblocks
        for block in blocks:
            x = block(x)
        if self.dense_attention == "plain":
            plain: Tensor = visual.ln_post(last(x))
            return plain
        projected: Tensor = visual.ln_post(_dense_block(last, x, self.dense_attention)) @ visual.proj
        return projected

    def _positions(self, h: int, w: int) -> Tensor:
        """The position embedding for a grid of h x w: (1 + h*w, width)."""
        embedding: Tensor = self.visual.positional_embedding
        side = int((len(embedding) - 1) ** 0.5)
        if not torch.compiler.is_exporting() and (h, w) == (side, side):
            return embedding
        table = embedding[1:].T.reshape(1, -1, side, side)
        table = F.interpolate(table, size=(h, w), mode="bicubic", align_corners=False, antialias=True)
        return torch.cat((embedding[:1], table[0].flatten(1).T))


def _dense_block(block: ResidualAttentionBlock, x: Tensor, dense_attention: str) -> Tensor:
    """The last block with another attention: (B, 1 + N, width) -> the same shape."""
    attention: nn.MultiheadAttention = block.attn
    normed = block.ln_1(x)
    q, k, v = F.linear(normed, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
    if dense_attention == "value":
        values: Tensor = attention.out_proj(v)
        return values
    heads = attention.num_heads
    q, k, v = (part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, q, v) + F.scaled_dot_product_attention(k, k, v)
    x = x + attention.out_proj(mixed.transpose(1, 2).flatten(2))
    result: Tensor = x + block.mlp(block.ln_2(x))
    return result


class TimmEncoder(ImageEncoder):
    """Any image model of timm that gives tokens or a feature grid; frozen by default."""

    def __init__(
        self, model: Any, *, tokens: bool, channels: int, stride: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__(channels=channels, stride=stride, mean=mean, std=std)
        self.model: Any = model.requires_grad_(False)
        self.tokens = tokens
        self.eval()

    def trainable_stages(self) -> list[nn.Module]:
        """The blocks of a transformer, the stages of another network."""
        if self.tokens:
            return list(self.model.blocks)
        return [part for part in self.model.children() if next(part.parameters(), None) is not None]

    def grid(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, C, h, w)."""
        if self.tokens:
            images = to_multiple(images, self.stride)
            maps = self.model.forward_intermediates(images, indices=1, norm=True, intermediates_only=True)
        else:
            maps = self.model(images)
        last: Tensor = maps[-1]
        return last


def to_multiple(images: Tensor, patch: int) -> Tensor:
    """Enlarge images so that both sides are multiples of the patch: the token grid then covers exactly the image."""
    h, w = ((side + patch - 1) // patch * patch for side in images.shape[-2:])  # ONNX rounds negative quotients up
    if not torch.compiler.is_exporting() and (h, w) == tuple(images.shape[-2:]):
        return images
    return F.interpolate(images, size=(h, w), mode="bilinear", align_corners=False)


class DensePool(nn.Module):
    """The 2 x 2 average of a strided block, taken at every location.

    Location (y, x) holds the value that pooling with a stride of 2 computes there. The last row and column repeat the
    border.
    """

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        d = self.dilation
        right = F.pad(x, (0, d, 0, 0), mode="replicate")
        across = (right[..., :-d] + right[..., d:]) / 2
        below = F.pad(across, (0, 0, 0, d), mode="replicate")
        return (below[..., :-d, :] + below[..., d:, :]) / 2


def dilate(stages: Iterable[nn.Module], output_stride: int) -> None:
    """Change a residual tower of CLIP in place to an output stride of at most ``output_stride``; parameters stay.

    A stride that is removed becomes a dilation of all later layers, so at every stride-th location the features are
    those of the original network, to rounding. It can be called again with another stride.
    """
    stride, dilation = _STEM_STRIDE, 1
    for block in _bottlenecks(stages):
        block.conv2.dilation = block.conv2.padding = (dilation, dilation)
        if block.stride == 1:
            continue
        pool: nn.Module
        if stride < output_stride:
            pool, stride = nn.AvgPool2d(block.stride), stride * block.stride
        else:
            pool, dilation = DensePool(dilation), dilation * block.stride
        block.avgpool, block.downsample[0] = pool, pool


def _bottlenecks(stages: Iterable[nn.Module]) -> list[Any]:
    """The residual blocks of CLIP's kind; their attribute ``stride`` is that of the original architecture."""
    return [block for stage in stages for block in (stage, *stage.children()) if isinstance(block, Bottleneck)]
