"""Image encoders from models of timm: ResNets up to stage 3, and any model that gives a feature grid.

This module imports timm, which takes seconds; `build` imports it for the pairs that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from cdpnet.encoders.catalogue import HUB, RANDOM
from cdpnet.encoders.image import RESIDUAL_STRIDE, ImageEncoder, StagedEncoder, to_multiple
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.io.hub import TIMM_FILE, from_hub

_UNUSED = ("fc.", "layer4.")  # of a ResNet: the encoder ends at stage 3


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


def build_residual(name: str, source: str) -> StagedEncoder:
    """ResNet of timm up to stage 3 at output stride 8; models whose names end in s have the stem of the SSP authors.

    WeightsError for weights that cannot be had.
    """
    path = _timm_path(name, source)
    model: Any = timm.create_model(name, pretrained=False, output_stride=RESIDUAL_STRIDE)
    if path is not None:
        # Stage 4 and the classifier are not used, so a file may lack them or hold others.
        unused = {key: value for key, value in model.state_dict().items() if key.startswith(_UNUSED)}
        load_into(model, {**read_state(path), **unused}, str(path), ignore=_UNUSED)
    stem = nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool)
    return StagedEncoder.up_to_stage_3(stem, model, model.pretrained_cfg["mean"], model.pretrained_cfg["std"])


def build_timm(name: str, source: str) -> TimmEncoder:
    """Any model of timm that gives a grid: the tokens of a transformer, or the stage before the last of others.

    ConfigError for a name that timm does not have and a model without a grid, WeightsError for weights that cannot be
    had.
    """
    if not timm.is_model(name):
        raise ConfigError(f"timm has no model {name!r}; see timm.list_models().")
    path = _timm_path(name, source)
    plain: Any = timm.create_model(name, pretrained=False, num_classes=0)
    create: Callable[..., Any] = partial(timm.create_model, name)
    if path is not None:
        state = read_state(path)
        load_into(plain, state, str(path), ignore=("",))  # timm would only log the tensors that a file lacks
        create = partial(create, pretrained=True, pretrained_cfg_overlay={"state_dict": state})
    mean, std = plain.pretrained_cfg["mean"], plain.pretrained_cfg["std"]
    try:
        model, channels, stride, is_tokens = _timm_grid(plain, create)
        encoder = TimmEncoder(model, tokens=is_tokens, channels=channels, stride=stride, mean=mean, std=std)
        with torch.no_grad():
            grid = encoder.features(torch.zeros(1, 3, 3 * stride + 64, 64))
        if grid.ndim != 4 or grid.shape[1] != channels:
            raise RuntimeError(f"its output has the shape {tuple(grid.shape)}")
    except (RuntimeError, TypeError, AttributeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:100]
        raise ConfigError(f"timm's {name} gives no feature grid of images of any size ({reason}).") from None
    return encoder


def _timm_grid(plain: Any, create: Callable[..., Any]) -> tuple[Any, int, int, bool]:
    """A model of timm that gives feature grids, its channels and stride, and whether the grid consists of tokens.

    plain: the model without options. create: makes it with options. The stride is 8 where dilation can give it.
    """
    if hasattr(plain, "patch_embed") and hasattr(plain, "blocks"):
        model = create(num_classes=0, dynamic_img_size=True)
        return model, int(model.num_features), int(model.patch_embed.patch_size[0]), True
    create = partial(create, features_only=True, out_indices=(len(plain.feature_info) - 2,))
    try:
        model = create(output_stride=RESIDUAL_STRIDE)
    except (NotImplementedError, TypeError, AssertionError):
        model = create()
    return model, int(model.feature_info.channels()[-1]), int(model.feature_info.reduction()[-1]), False


def _timm_path(name: str, source: str) -> Path | None:
    """The file of a source for a timm model; None for random weights."""
    if source == RANDOM:
        return None
    if source != HUB:
        return Path(source)
    published = timm.get_pretrained_cfg(name)
    if published is None or not published.hf_hub_id:
        raise WeightsError(f"No published weights are known for timm's {name}; pass a file with --image-weights.")
    return from_hub(published.hf_hub_id, TIMM_FILE, "--image-weights")
