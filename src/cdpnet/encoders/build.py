"""Encoders by name: `build_encoders` makes the image encoder and the text encoder of a pair, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.config import EncoderConfig
from cdpnet.encoders import tiny
from cdpnet.encoders.catalogue import HUB, RANDOM, TEXT_MODEL, TINY_MODEL, EncoderPair, WeightSources, encoder_pair
from cdpnet.encoders.image import (
    CLIP_MEAN,
    CLIP_STD,
    ClipTransformer,
    ImageEncoder,
    StagedEncoder,
    TimmEncoder,
    dilate,
)
from cdpnet.encoders.photo import PhotoEncoder, load_photo_model, random_photo_model
from cdpnet.encoders.prompts import templates
from cdpnet.encoders.text import TextEncoder
from cdpnet.encoders.text_tower import CLASS_NAMES, DIM, N_CLASSES, TEXT_FILE, TextTower, load_tower, text_tokenizer
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.io.hub import CLIP_FILE, TIMM_FILE, from_hub

_TRAINED_STRIDE = 8  # output stride of the residual encoders (SSP)
_TINY_STRIDE = 4  # our choice: images of 128 px have thin objects
_UNUSED = ("fc.", "layer4.")  # of a ResNet: the encoder ends at stage 3
_CLIP_EXTRAS = ("input_resolution", "context_length", "vocab_size")  # in the original archives, not parameters


class Encoders(NamedTuple):
    """The finished encoders that a network receives; text is None for a network that reads no names."""

    image: ImageEncoder
    text: TextEncoder | None


def build_encoders(config: EncoderConfig, sources: WeightSources, *, reads_names: bool) -> Encoders:
    """The encoders of a configuration. ConfigError for unknown names, WeightsError for weights that cannot be had."""
    encoders = _build(config, sources, reads_names=reads_names)
    encoders.image.set_trained(config.trained)
    return encoders


def _build(config: EncoderConfig, sources: WeightSources, *, reads_names: bool) -> Encoders:
    pair = encoder_pair(config)
    kind, name = pair.image.split(":", 1)
    if kind == "photo" and pair.text != TEXT_MODEL:
        raise ConfigError("The encoder photo shares a space with its own text tower; leave encoder.text_tower out.")
    if kind in _OF_ONE_FILE:
        image = _OF_ONE_FILE[kind](name, sources.image)
        return Encoders(image, _text(pair, _tower(pair.text, sources.text)) if reads_names else None)
    clip = _clip(name, sources.image, "--image-weights")
    if not reads_names:
        return Encoders(_clip_image(kind, clip, config), None)
    if pair.text == name and sources.text in (HUB, sources.image) and sources.image != RANDOM:
        image = _clip_image(kind, clip, config)
        return Encoders(image, _text(pair, clip))  # one file holds both towers
    text = _text(pair, _tower(pair.text, sources.text))
    return Encoders(_clip_image(kind, clip, config), text)


def _clip(name: str, source: str, option: str) -> Any:
    """A whole CLIP model of open_clip with the weights of a source."""
    if name == TINY_MODEL and source == HUB:
        model = tiny.build_tiny()
        load_into(model, shipped(tiny.WEIGHTS_FILE), "The embedded encoder")
        return model
    if name != TINY_MODEL:
        _check_clip_name(name)
    published = open_clip.get_pretrained_cfg(name, "openai")
    if source == HUB:  # located before anything is built, so that a missing file is reported at once
        if not published:
            raise WeightsError(f"No published weights are known for the CLIP model {name}; pass a file with {option}.")
        path = from_hub(published["hf_hub"].rstrip("/"), CLIP_FILE, option)
    model = _clip_architecture(name, quick_gelu=source == HUB and bool(published.get("quick_gelu")))
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


def _clip_architecture(name: str, *, quick_gelu: bool) -> Any:
    if name == TINY_MODEL:
        return tiny.build_tiny()
    try:
        return open_clip.CLIP(**open_clip.get_model_config(name), **({"quick_gelu": True} if quick_gelu else {}))
    except TypeError:
        raise ConfigError(f"open_clip's {name} is not of CLIP's plain kind; RN50-quickgelu is, for one.") from None


def shipped(filename: str) -> dict[str, Tensor]:
    """Tensors that come with the package, in the precision of their file."""
    with resources.as_file(resources.files("cdpnet.weights").joinpath(filename)) as path:
        return read_state(path)


def _clip_image(kind: str, clip: Any, config: EncoderConfig) -> ImageEncoder:
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
        return StagedEncoder(
            stages,
            trained=(2, 3, 5, 6),
            channels=visual.output_dim,
            stride=_TINY_STRIDE,
            mean=tiny.MEAN,
            std=tiny.STD,
        )
    dilate(visual.children(), _TRAINED_STRIDE)
    return _up_to_stage_3(stem, visual, CLIP_MEAN, CLIP_STD)


def _up_to_stage_3(stem: nn.Module, model: Any, mean: Sequence[float], std: Sequence[float]) -> StagedEncoder:
    """The paper's image encoder from a residual network whose stages are layer1, layer2, ..."""
    model.layer3[-1].act3 = nn.Identity()  # the cosine match needs signed features
    stages = [stem, model.layer1, model.layer2, model.layer3]
    channels = model.layer3[-1].conv3.out_channels
    return StagedEncoder(stages, trained=(2, 3), channels=channels, stride=_TRAINED_STRIDE, mean=mean, std=std)


def _residual(name: str, source: str) -> StagedEncoder:
    """ResNet of timm up to stage 3 at output stride 8; models whose names end in s have the stem of the SSP authors."""
    path = _timm_path(name, source)
    model: Any = timm.create_model(name, pretrained=False, output_stride=_TRAINED_STRIDE)
    if path is not None:
        # Stage 4 and the classifier are not used, so a file may lack them or hold others.
        unused = {key: value for key, value in model.state_dict().items() if key.startswith(_UNUSED)}
        load_into(model, {**read_state(path), **unused}, str(path), ignore=_UNUSED)
    stem = nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool)
    return _up_to_stage_3(stem, model, model.pretrained_cfg["mean"], model.pretrained_cfg["std"])


def _timm(name: str, source: str) -> TimmEncoder:
    """Any model of timm that gives a grid: the tokens of a transformer, or the stage before the last of others."""
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
        model = create(output_stride=_TRAINED_STRIDE)
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


def _photo(name: str, source: str) -> PhotoEncoder:  # noqa: ARG001 - there is one
    """The encoder of photographs, with the weights of its package or random ones."""
    if source not in (HUB, RANDOM):
        raise ConfigError("The encoder photo takes its image weights from its package; leave --image-weights out.")
    if source == RANDOM:
        return PhotoEncoder(random_photo_model(), F.normalize(torch.randn(N_CLASSES, DIM), dim=1))
    return PhotoEncoder(load_photo_model(), F.normalize(shipped(TEXT_FILE)[CLASS_NAMES].float(), dim=1))


_OF_ONE_FILE: dict[str, Callable[[str, str], ImageEncoder]] = {"residual": _residual, "timm": _timm, "photo": _photo}
"""Kinds of image encoders whose weights do not hold a text tower too."""


def _tower(name: str, source: str) -> Any:
    """A text tower with the weights of a source: our own, or a whole CLIP model."""
    if name != TEXT_MODEL:
        return _clip(name, source, "--text-weights")
    return TextTower() if source == RANDOM else load_tower(None if source == HUB else Path(source))


def _text(pair: EncoderPair, tower: Any) -> TextEncoder:
    tower.visual = None
    length = int(tower.positional_embedding.shape[0])
    tokenizers = {TINY_MODEL: tiny.TinyTokenizer, TEXT_MODEL: text_tokenizer}
    tokenizer = tokenizers[pair.text]() if pair.text in tokenizers else open_clip.get_tokenizer(pair.text)
    return TextEncoder(tower, tokenizer, templates(pair.prompts), length)
