"""Encoders by name: `build_encoders` makes the image encoder and the text encoder of a pair, with their weights.

A module that imports timm or open_clip is imported where a pair needs it: each takes seconds (they bring torchvision,
and that the compiler of torch), and `photo`, the default, needs neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from cdpnet.config import EncoderConfig
from cdpnet.encoders.catalogue import HUB, RANDOM, TEXT_MODEL, EncoderPair, WeightSources, encoder_pair
from cdpnet.encoders.image import ImageEncoder
from cdpnet.encoders.layers import use_products
from cdpnet.encoders.photo import build_photo
from cdpnet.encoders.prompts import templates
from cdpnet.encoders.text import TextEncoder
from cdpnet.encoders.text_tower import TextTower, load_tower, text_tokenizer
from cdpnet.errors import ConfigError


class Encoders(NamedTuple):
    """The finished encoders that a network receives; text is None for a network that reads no names."""

    image: ImageEncoder
    text: TextEncoder | None


def build_encoders(config: EncoderConfig, sources: WeightSources, *, reads_names: bool) -> Encoders:
    """The encoders of a configuration. ConfigError for unknown names, WeightsError for weights that cannot be had."""
    encoders = _build(config, sources, reads_names=reads_names)
    encoders.image.set_trained(config.trained)
    use_products(encoders.image)
    return encoders


def _build(config: EncoderConfig, sources: WeightSources, *, reads_names: bool) -> Encoders:
    pair = encoder_pair(config)
    kind, name = pair.image.split(":", 1)
    if kind == "photo" and pair.text != TEXT_MODEL:
        raise ConfigError("The encoder photo shares a space with its own text tower; leave encoder.text_tower out.")
    if kind in ("photo", "residual", "timm"):  # the weights do not hold a text tower too
        image = _image(kind, name, sources.image)
        return Encoders(image, _text(pair, _tower(pair.text, sources.text)) if reads_names else None)
    from cdpnet.encoders.clip import build_clip_image, load_clip

    clip = load_clip(name, sources.image, "--image-weights")
    if not reads_names:
        return Encoders(build_clip_image(kind, clip, config), None)
    if pair.text == name and sources.text in (HUB, sources.image) and sources.image != RANDOM:
        image = build_clip_image(kind, clip, config)
        return Encoders(image, _text(pair, clip))  # one file holds both towers
    text = _text(pair, _tower(pair.text, sources.text))
    return Encoders(build_clip_image(kind, clip, config), text)


def _image(kind: str, name: str, source: str) -> ImageEncoder:
    if kind == "photo":
        return build_photo(source)
    from cdpnet.encoders.timm_models import build_residual, build_timm

    return build_residual(name, source) if kind == "residual" else build_timm(name, source)


def _tower(name: str, source: str) -> Any:
    """A text tower with the weights of a source: our own, or a whole CLIP model."""
    if name == TEXT_MODEL:
        return TextTower() if source == RANDOM else load_tower(None if source == HUB else Path(source))
    from cdpnet.encoders.clip import load_clip

    return load_clip(name, source, "--text-weights")


def _text(pair: EncoderPair, tower: Any) -> TextEncoder:
    length = int(tower.positional_embedding.shape[0])
    if pair.text == TEXT_MODEL:
        return TextEncoder(tower, text_tokenizer(), templates(pair.prompts), length)
    from cdpnet.encoders.clip import clip_tokenizer

    tower.visual = None
    return TextEncoder(tower, clip_tokenizer(pair.text), templates(pair.prompts), length)
