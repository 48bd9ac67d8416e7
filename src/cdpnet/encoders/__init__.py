"""Encoders by name: `build_encoders` makes the image encoder and the text encoder of a pair, with their weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import timm
from torch import Tensor, nn

from cdpnet.config import EncoderConfig
from cdpnet.encoders import tiny
from cdpnet.encoders.image import (
    CLIP_MEAN,
    CLIP_STD,
    ClipTransformer,
    ImageEncoder,
    StagedEncoder,
    TimmEncoder,
    dilate,
)
from cdpnet.encoders.prompts import templates
from cdpnet.encoders.text import TextEncoder
from cdpnet.encoders.weights import HUB, RANDOM, from_hub, load_into, read_state
from cdpnet.errors import ConfigError, WeightsError

_TRAINED_STRIDE = 8  # output stride of the residual encoders (SSP)
_TINY_STRIDE = 4  # our choice: pictures of 128 px have thin objects
_CLIP_EXTRAS = ("input_resolution", "context_length", "vocab_size")  # in the original archives, not parameters


@dataclass(frozen=True)
class Pair:
    """An image encoder and the text tower beside it. image: KIND:NAME, with NAME in the words of its library."""

    image: str
    text: str
    prompts: str = "ensemble"
    longest_side: int = 473  # pixels that a segmenter works at; SSP trains on crops of 473


PAIRS = {
    "tiny": Pair("tiny:cdpnet-tiny", tiny.MODEL_NAME, "tiny", longest_side=192),
    "resnet50": Pair("residual:resnet50.tv_in1k", "RN50-quickgelu"),
    "resnet101": Pair("residual:resnet101.tv_in1k", "RN50-quickgelu"),
    "ssp-resnet50": Pair("residual:resnet50s", "RN50-quickgelu"),
    "ssp-resnet101": Pair("residual:resnet101s", "RN50-quickgelu"),
    "clip-rn50": Pair("clip-residual:RN50-quickgelu", "RN50-quickgelu"),
    "clip-rn101": Pair("clip-residual:RN101-quickgelu", "RN101-quickgelu"),
    "clip-vit-b16": Pair("clip-transformer:ViT-B-16-quickgelu", "ViT-B-16-quickgelu"),
    "clip-vit-l14": Pair("clip-transformer:ViT-L-14-quickgelu", "ViT-L-14-quickgelu"),
    "dinov2-b14": Pair("timm:vit_base_patch14_dinov2.lvd142m", "RN50-quickgelu"),
}


class Encoders(NamedTuple):
    """The finished parts that a network receives; text is None where no part reads names."""

    image: ImageEncoder
    text: TextEncoder | None


@dataclass(frozen=True)
class WeightSources:
    """Where weights come from: `HUB` (the pair's published ones), `RANDOM`, or a file of the user's."""

    image: str = HUB
    text: str = HUB


def pair_of(config: EncoderConfig) -> Pair:
    """The pair that a configuration names, with its own text tower and prompts where it gives any. ConfigError."""
    name = config.name
    if name in PAIRS:
        pair = PAIRS[name]
    elif name.startswith("timm:"):
        pair = Pair(name, "RN50-quickgelu")
    else:
        raise ConfigError(f"There is no encoder {name!r}; there are {', '.join(PAIRS)} and timm:NAME.")
    return replace(pair, text=config.text_tower or pair.text, prompts=config.prompts or pair.prompts)


def build_encoders(config: EncoderConfig, sources: WeightSources, *, reads_names: bool) -> Encoders:
    """The encoders of a configuration. ConfigError for unknown names, WeightsError for weights that cannot be had."""
    pair = pair_of(config)
    kind, name = pair.image.split(":", 1)
    if kind in ("residual", "timm"):
        image: ImageEncoder = _residual(name, sources.image) if kind == "residual" else _timm(name, sources.image)
        return Encoders(image, _text(pair, _clip(pair.text, sources.text, "--text-weights")) if reads_names else None)
    clip = _clip(name, sources.image, "--image-weights")
    if not reads_names:
        return Encoders(_clip_image(kind, clip, config), None)
    if pair.text == name and sources.text in (HUB, sources.image):
        image = _clip_image(kind, clip, config)
        return Encoders(image, _text(pair, clip))  # one file holds both towers
    text = _text(pair, _clip(pair.text, sources.text, "--text-weights"))
    return Encoders(_clip_image(kind, clip, config), text)


def _clip(name: str, source: str, option: str) -> Any:
    """A whole CLIP model of open_clip with the weights of a source."""
    if name == tiny.MODEL_NAME:
        model: nn.Module = tiny.build_tiny()
        if source == HUB:
            load_into(model, shipped(tiny.WEIGHTS_FILE), "The embedded encoder")
            return model
    else:
        config = open_clip.get_model_config(name)
        if config is None:
            raise ConfigError(f"open_clip has no model {name!r}; see open_clip.list_models().")
        model = open_clip.CLIP(**config)
    if source == RANDOM:
        return model
    if source == HUB:
        published = open_clip.get_pretrained_cfg(name, "openai")
        if not published:
            raise WeightsError(f"No published weights are known for the CLIP model {name}; pass a file with {option}.")
        source = str(from_hub(published["hf_hub"].rstrip("/"), "open_clip_model.safetensors", option))
    load_into(model, read_state(Path(source)), source, ignore=_CLIP_EXTRAS)
    return model


def shipped(filename: str) -> dict[str, Tensor]:
    """Tensors that come with the package, as float32."""
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
        dilate(visual, _TINY_STRIDE)
        head = nn.Sequential(visual.layer4, tiny.DenseValues(visual.attnpool))
        stages = [stem, visual.layer1, visual.layer2, visual.layer3, head]
        # Stem and stage 1 as in the paper; the last stage and the text space stay as contrastive training left them.
        return StagedEncoder(
            stages,
            frozen=2,
            frozen_end=1,
            channels=visual.output_dim,
            stride=_TINY_STRIDE,
            mean=tiny.MEAN,
            std=tiny.STD,
        )
    dilate(visual, _TRAINED_STRIDE)
    visual.layer3[-1].act3 = nn.Identity()  # the cosine match needs signed features
    stages = [stem, visual.layer1, visual.layer2, visual.layer3]
    channels = visual.layer3[-1].conv3.out_channels
    return StagedEncoder(stages, frozen=2, channels=channels, stride=_TRAINED_STRIDE, mean=CLIP_MEAN, std=CLIP_STD)


def _residual(name: str, source: str) -> StagedEncoder:
    """ResNet of timm up to stage 3 at output stride 8; names ending in s have the stem of the SSP authors."""
    model: Any = timm.create_model(name, pretrained=False, output_stride=_TRAINED_STRIDE)
    if source != RANDOM:
        path = Path(source) if source != HUB else _timm_file(model, name)
        load_into(model, {**_unused_parts(model), **read_state(path)}, str(path), ignore=("fc.", "layer4."))
    model.layer3[-1].act3 = nn.Identity()  # the cosine match needs signed features
    stem = nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool)
    stages = [stem, model.layer1, model.layer2, model.layer3]
    mean, std = model.pretrained_cfg["mean"], model.pretrained_cfg["std"]
    channels = model.layer3[-1].conv3.out_channels
    return StagedEncoder(stages, frozen=2, channels=channels, stride=_TRAINED_STRIDE, mean=mean, std=std)


def _unused_parts(model: nn.Module) -> dict[str, Tensor]:
    """Stage 4 and the classifier may be absent from a user's file: the encoder ends at stage 3."""
    return {key: value for key, value in model.state_dict().items() if key.startswith(("fc.", "layer4."))}


def _timm(name: str, source: str) -> TimmEncoder:
    """Any model of timm: a transformer's tokens, or a convolutional network's stage before the last."""
    try:
        plain: Any = timm.create_model(name, pretrained=False, num_classes=0)
    except RuntimeError:
        raise ConfigError(f"timm has no model {name!r}; see timm.list_models().") from None
    options: dict[str, Any] = {}
    path = Path(source) if source not in (HUB, RANDOM) else _timm_file(plain, name) if source == HUB else None
    if path is not None:
        read_state(path)  # says clearly what is wrong with a file before timm opens it
        options = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path)}}
    try:
        model, channels, stride = _timm_grid(plain, name, options)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit the timm model {name} ({str(error).splitlines()[0]}).") from None
    mean, std = plain.pretrained_cfg["mean"], plain.pretrained_cfg["std"]
    return TimmEncoder(model, channels=channels, stride=stride, mean=mean, std=std)


def _timm_grid(plain: Any, name: str, options: dict[str, Any]) -> tuple[Any, int, int]:
    """The model as it gives grids, their channels and stride: 8 by dilation where the network can be dilated."""
    if hasattr(plain, "patch_embed") and hasattr(plain, "blocks"):
        model = timm.create_model(name, num_classes=0, dynamic_img_size=True, **options)
        return model, int(model.num_features), int(model.patch_embed.patch_size[0])
    options = {**options, "features_only": True, "out_indices": (len(plain.feature_info) - 2,)}
    try:
        model = timm.create_model(name, output_stride=_TRAINED_STRIDE, **options)
    except (NotImplementedError, TypeError, AssertionError):
        model = timm.create_model(name, **options)
    return model, int(model.feature_info.channels()[-1]), int(model.feature_info.reduction()[-1])


def _timm_file(model: Any, name: str) -> Path:
    repo = model.pretrained_cfg.get("hf_hub_id")
    if not repo:
        raise WeightsError(f"No published weights are known for timm's {name}; pass a file with --image-weights.")
    return from_hub(repo, "model.safetensors", "--image-weights")


def _text(pair: Pair, clip: Any) -> TextEncoder:
    clip.visual = None
    length = int(clip.positional_embedding.shape[0])
    tokenizer = tiny.TinyTokenizer() if pair.text == tiny.MODEL_NAME else open_clip.get_tokenizer(pair.text)
    return TextEncoder(clip, tokenizer, templates(pair.prompts), length)
