"""CLIP models of open_clip by name, with their weights, and the encoders made from them.

This module imports open_clip, which takes seconds; `build` imports it for the pairs that need it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
from torch import nn

from cdpnet.config import EncoderConfig
from cdpnet.encoders import tiny
from cdpnet.encoders.catalogue import HUB, RANDOM, TINY_FILE, TINY_MODEL
from cdpnet.encoders.clip_image import CLIP_MEAN, CLIP_STD, ClipResidual, ClipTransformer, dilate
from cdpnet.encoders.image import RESIDUAL_STRIDE, ImageEncoder
from cdpnet.encoders.tokenizer import Tokenizer
from cdpnet.encoders.weights import load_into, read_state, shipped
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.io.hub import CLIP_FILE, from_hub

_TINY_STRIDE = 4  # our choice: images of 128 px have thin objects
_CLIP_EXTRAS = ("input_resolution", "context_length", "vocab_size")  # in the original archives, not parameters


def load_clip(name: str, source: str, option: str) -> Any:
    """A whole CLIP model of open_clip with the weights of a source.

    option: of the command line, that takes the file of these weights. ConfigError for a name that is no plain CLIP,
    WeightsError for weights that cannot be had.
    """
    if name == TINY_MODEL and source == HUB:
        model = tiny.build_tiny()
        load_into(model, shipped(TINY_FILE), "The embedded encoder")
        return model
    if name != TINY_MODEL:
        _check_clip_name(name)
    published = open_clip.get_pretrained_cfg(name, "openai")
    if source == HUB:  # located before anything is built, so that a missing file is reported at once
        if not published:
            raise WeightsError(f"No published weights are known for the CLIP model {name}; pass a file with {option}.")
        path = from_hub(published["hf_hub"].rstrip("/"), CLIP_FILE, option)
    model = _build_plain(name, quick_gelu=source == HUB and bool(published.get("quick_gelu")))
    if source != RANDOM:
        path = path if source == HUB else Path(source)
        load_into(model, read_state(path), str(path), ignore=_CLIP_EXTRAS)
    return model


def _check_clip_name(name: str) -> None:
    """ConfigError unless open_clip itself has a plain CLIP of this name, which it builds without asking a model hub."""
    if name not in open_clip.list_models():  # such as hf-hub:OWNER/MODEL, which a configuration must not choose
        raise ConfigError(f"open_clip has no model {name!r}; RN50-quickgelu is one, for example.")
    parts = open_clip.get_model_config(name)
    foreign = {"hf_model_name", "hf_tokenizer_name", "timm_model_name"}
    if foreign & {*parts["text_cfg"], *parts["vision_cfg"]}:
        raise ConfigError(f"open_clip's {name} is not of CLIP's plain kind; RN50-quickgelu is, for one.")


def _build_plain(name: str, *, quick_gelu: bool) -> Any:
    if name == TINY_MODEL:
        return tiny.build_tiny()
    try:
        return open_clip.CLIP(**open_clip.get_model_config(name), **({"quick_gelu": True} if quick_gelu else {}))
    except TypeError:
        raise ConfigError(f"open_clip's {name} is not of CLIP's plain kind; RN50-quickgelu is, for one.") from None


def build_clip_image(kind: str, clip: Any, config: EncoderConfig) -> ImageEncoder:
    """The image encoder of a kind from a whole CLIP model, which it takes apart."""
    visual = clip.visual
    if kind == "clip-transformer":
        return ClipTransformer(visual, config.dense_attention)
    stem = nn.Sequential(
        *(getattr(visual, f"{part}{i}") for i in (1, 2, 3) for part in ("conv", "bn", "act")), visual.avgpool
    )
    if kind == "tiny":
        dilate(visual.children(), _TINY_STRIDE)
        values = tiny.value_convolution(visual.attnpool)
        stages = [stem, visual.layer1, visual.layer2, visual.layer3, *visual.layer4, values]
        # Trained: stages 2 and 3 as in the paper, the last block of stage 4, and the projection into the text space.
        return ClipResidual(
            stages,
            trained=(2, 3, 5, 6),
            channels=visual.output_dim,
            stride=_TINY_STRIDE,
            mean=tiny.MEAN,
            std=tiny.STD,
        )
    dilate(visual.children(), RESIDUAL_STRIDE)
    return ClipResidual.up_to_stage_3(stem, visual, CLIP_MEAN, CLIP_STD)


def clip_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a CLIP model."""
    if name == TINY_MODEL:
        return tiny.tiny_tokenizer()
    tokenizer: Tokenizer = open_clip.get_tokenizer(name)
    return tokenizer
