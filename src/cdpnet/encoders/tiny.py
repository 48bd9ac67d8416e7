"""The embedded dual encoder: open_clip's own CLIP class in a size of about 3 million parameters (our choice).

The image tower is a ModifiedResNet whose stages 3 and 4 keep the stride of stage 2, so that its native output stride is
8; the text tower has four narrow layers and the stock tokenizer with a shortened merge list, so any string tokenises.
Its weights are our own, see docs/explanation/results.md for the commands that made them.

This module imports open_clip, which takes seconds.
"""

from __future__ import annotations

from importlib import resources

import open_clip
import torch
import torch.nn.functional as F
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from torch import Tensor, nn

from cdpnet.encoders.catalogue import TINY_MODEL
from cdpnet.encoders.tokenizer import BytePairTokenizer

N_MERGES = 3582  # 512 byte symbols + 3582 merges + 2 special tokens = 4096 entries
CONTEXT_LENGTH = 24
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # images in -1..1


def tiny_tokenizer() -> BytePairTokenizer:
    """CLIP's tokenizer with the first merges only, as long as the tower reads."""
    return BytePairTokenizer(CONTEXT_LENGTH, N_MERGES)


def build_tiny() -> open_clip.CLIP:
    """The model with random weights, registered with open_clip under `TINY_MODEL`."""
    if open_clip.get_model_config(TINY_MODEL) is None:
        with resources.as_file(resources.files("cdpnet.encoders").joinpath(f"{TINY_MODEL}.json")) as config:
            open_clip.add_model_config(config)
    model = open_clip.CLIP(**open_clip.get_model_config(TINY_MODEL))
    keep_stride(model.visual)
    return model


def keep_stride(visual: ModifiedResNet) -> None:
    """Remove the strides of stages 3 and 4, without dilation: native output stride 8 instead of 32."""
    for stage in (visual.layer3, visual.layer4):
        stage[0].avgpool, stage[0].downsample[0], stage[0].stride = nn.Identity(), nn.Identity(), 1


def trunk(visual: ModifiedResNet, images: Tensor) -> Tensor:
    """Stem and the four stages: (B, 3, H, W) normalised -> (B, C, h, w)."""
    x = visual.stem(images)
    for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        x = stage(x)
    grid: Tensor = x
    return grid


def dense_values(values: nn.Linear, project: nn.Linear, x: Tensor) -> Tensor:
    """Project every location as the attention pool projects a single one: (B, C, h, w) -> (B, D, h, w).

    The result is in the text space (as in MaskCLIP). The value and output projections of the pool are two consecutive
    linear maps, so they are multiplied first.
    """
    return F.conv2d(x, *_value_kernel(values, project))


def _value_kernel(values: nn.Linear, project: nn.Linear) -> tuple[Tensor, Tensor]:
    """The two projections as the weight (D, C, 1, 1) and bias (D,) of one convolution."""
    weight = (project.weight @ values.weight)[:, :, None, None]
    return weight, project.weight @ values.bias + project.bias


@torch.no_grad()
def value_convolution(pool: AttentionPool2d) -> nn.Conv2d:
    """`dense_values` as one 1x1 convolution, the last stage of an image encoder."""
    convolution = nn.Conv2d(pool.v_proj.in_features, pool.c_proj.out_features, kernel_size=1)
    weight, bias = _value_kernel(pool.v_proj, pool.c_proj)
    convolution.load_state_dict({"weight": weight, "bias": bias})
    return convolution


def pooled_values(pool: AttentionPool2d, x: Tensor) -> Tensor:
    """`AttentionPool2d.forward` for its one query that is used: (B, C, h, w) -> (B, D).

    The same numbers at a fraction of the cost: the key projection is applied to the query, and the value projection
    after the weighted sum, so no location is projected.
    """
    tokens = x.flatten(2).transpose(1, 2)
    tokens = torch.cat((tokens.mean(dim=1, keepdim=True), tokens), dim=1) + pool.positional_embedding
    batch, _, channels = tokens.shape
    heads = pool.num_heads
    query = pool.q_proj(tokens[:, 0]).reshape(batch, heads, -1) * (channels // heads) ** -0.5
    key = torch.einsum("bhd,hdc->bhc", query, pool.k_proj.weight.reshape(heads, -1, channels))
    attention = torch.softmax(key @ tokens.transpose(1, 2), dim=-1)
    context = attention @ tokens
    value = torch.einsum("bhc,hdc->bhd", context, pool.v_proj.weight.reshape(heads, -1, channels)).flatten(1)
    result: Tensor = pool.c_proj(value + pool.v_proj.bias)
    return result


def encode_texts(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Text features, (n, L) token ids -> (n, D). Padding is removed; attention is causal, so nothing changes."""
    length = int((tokens != 0).sum(dim=1).max())
    tokens = tokens[:, :length]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    result: Tensor = x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ model.text_projection
    return result
