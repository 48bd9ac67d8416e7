"""The named encoder pairs and the sources of their weights. No heavy library is imported here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cdpnet.config import EncoderConfig
from cdpnet.errors import ConfigError
from cdpnet.io.files import require_weights_file
from cdpnet.io.hub import CLIP_FILE, TIMM_FILE, from_hub

HUB, RANDOM = "", "random"  # sources of weights, beside the path of a file
TINY_MODEL, TEXT_MODEL = "cdpnet-tiny", "cdpnet-text"
TINY_FILE, TEXT_FILE = f"{TINY_MODEL}.safetensors", f"{TEXT_MODEL}.safetensors"  # their weights in the package


@dataclass(frozen=True)
class EncoderPair:
    """An image encoder and a text encoder.

    image: KIND:NAME, NAME as its library has it. text: a CLIP model of open_clip, or our tower. prompts: see
    `templates`. longest_side: working size of a segmenter in pixels; SSP trains on crops of 473. refine: whether a
    segmenter refines edges, which pays where the feature grid is coarse.
    """

    image: str
    text: str
    prompts: str = "ensemble"
    longest_side: int = 473
    refine: bool = False


PAIRS = {
    "tiny": EncoderPair("tiny:cdpnet-tiny", TINY_MODEL, "tiny", longest_side=192),
    "photo": EncoderPair("photo:tf_efficientnet_lite2", TEXT_MODEL, "name", longest_side=640, refine=True),
    "resnet50": EncoderPair("residual:resnet50.tv_in1k", "RN50-quickgelu"),
    "resnet101": EncoderPair("residual:resnet101.tv_in1k", "RN50-quickgelu"),
    "ssp-resnet50": EncoderPair("residual:resnet50s", "RN50-quickgelu"),
    "ssp-resnet101": EncoderPair("residual:resnet101s", "RN50-quickgelu"),
    "clip-rn50": EncoderPair("clip-residual:RN50-quickgelu", "RN50-quickgelu"),
    "clip-rn101": EncoderPair("clip-residual:RN101-quickgelu", "RN101-quickgelu"),
    "clip-vit-b16": EncoderPair("clip-transformer:ViT-B-16-quickgelu", "ViT-B-16-quickgelu"),
    "clip-vit-l14": EncoderPair("clip-transformer:ViT-L-14-quickgelu", "ViT-L-14-quickgelu"),
    "dinov2-b14": EncoderPair("timm:vit_base_patch14_dinov2.lvd142m", "RN50-quickgelu"),
}


IMAGE_FILES = {
    "resnet50": ("timm/resnet50.tv_in1k", TIMM_FILE),
    "resnet101": ("timm/resnet101.tv_in1k", TIMM_FILE),
    "clip-rn50": ("timm/resnet50_clip.openai", CLIP_FILE),
    "clip-rn101": ("timm/resnet101_clip.openai", CLIP_FILE),
    "clip-vit-b16": ("timm/vit_base_patch16_clip_224.openai", CLIP_FILE),
    "clip-vit-l14": ("timm/vit_large_patch14_clip_224.openai", CLIP_FILE),
    "dinov2-b14": ("timm/vit_base_patch14_dinov2.lvd142m", TIMM_FILE),
}
"""The image weights of the named pairs, as their libraries name them (a test compares)."""


@dataclass(frozen=True)
class WeightSources:
    """Sources of the weights: `HUB` for the published ones of the pair, `RANDOM`, or the path of a file."""

    image: str = HUB
    text: str = HUB

    def require_files(self) -> None:
        """WeightsError for a file that is missing."""
        for source in (self.image, self.text):
            if source not in (HUB, RANDOM):
                require_weights_file(Path(source))


def encoder_pair(config: EncoderConfig) -> EncoderPair:
    """The pair of a configuration, which may replace its text tower and prompts. ConfigError for an unknown name."""
    name = config.name
    if name in PAIRS:
        pair = PAIRS[name]
    elif name.startswith("timm:"):
        pair = EncoderPair(name, "RN50-quickgelu")
    else:
        raise ConfigError(f"There is no encoder {name!r}; there are {', '.join(PAIRS)} and timm:NAME.")
    return replace(pair, text=config.text_tower or pair.text, prompts=config.prompts or pair.prompts)


def require_image_weights(model: str, image_weights: str) -> None:
    """Load the published image weights of a named pair into the cache. WeightsError where they cannot be had."""
    if model in IMAGE_FILES and not image_weights:
        from_hub(*IMAGE_FILES[model], "--image-weights")
