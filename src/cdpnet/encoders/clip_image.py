"""Image encoders from CLIP models of open_clip: residual towers, dilated, and vision transformers.

This module imports open_clip, which takes seconds; `build` imports it for the pairs that need it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.modified_resnet import Bottleneck
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from cdpnet.encoders.image import ImageEncoder, StagedEncoder, to_multiple
from cdpnet.errors import ConfigError

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_STEM_STRIDE = 4  # of CLIP's residual towers, before their first stage


class ClipResidual(StagedEncoder):
    """A residual tower of CLIP, whose output stride can be chosen."""

    def set_stride(self, stride: int) -> None:
        """Change the output stride by dilation. ConfigError for one that it cannot have."""
        blocks = _bottlenecks(self.stages)
        coarsest = _STEM_STRIDE * math.prod(block.stride for block in blocks)
        allowed = [s for s in (4, 8, 16, 32) if s <= coarsest]
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
        right = torch.cat((x, *[x[..., -1:]] * d), dim=3)  # gradients of F.pad fail in torch.compile
        across = (right[..., :-d] + right[..., d:]) / 2
        below = torch.cat((across, *[across[..., -1:, :]] * d), dim=2)
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
