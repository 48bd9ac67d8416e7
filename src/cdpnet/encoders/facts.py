"""Facts about the named models: weights, licences, and what was measured. No heavy library is imported here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

from cdpnet.encoders.catalogue import IMAGE_FILES, PAIRS, TEXT_MODEL, TINY_MODEL

MEASURED_FILE = "measured.json"
_SHIPPED = "in the package"
_CLIP_RESNET, _CLIP_TRANSFORMER, _TORCHVISION = "MIT", "Apache-2.0", "BSD-3-Clause"
_LICENCES = {
    "tiny": "Apache-2.0",
    "photo": "Apache-2.0",
    "resnet50": _TORCHVISION,
    "resnet101": _TORCHVISION,
    "clip-rn50": _CLIP_RESNET,
    "clip-rn101": _CLIP_RESNET,
    "clip-vit-b16": _CLIP_TRANSFORMER,
    "clip-vit-l14": _CLIP_TRANSFORMER,
    "dinov2-b14": "Apache-2.0",
}
"""Of the image weights, as their cards on the model hub state them (seen in 2026), or as this package does."""
_TEXT_FILES = {
    "RN50-quickgelu": IMAGE_FILES["clip-rn50"],
    "RN101-quickgelu": IMAGE_FILES["clip-rn101"],
    "ViT-B-16-quickgelu": IMAGE_FILES["clip-vit-b16"],
    "ViT-L-14-quickgelu": IMAGE_FILES["clip-vit-l14"],
}


@dataclass(frozen=True)
class ModelFacts:
    """A named model. image_weights, text_weights: where they come from. licence: of the image weights.

    longest_side: working size in pixels. seconds: of one processor core for an image of 640 x 480. memory: of the whole
    process at most, in MiB. parameters: of the image encoder, in millions. photographs, icons: mIoU in percent with one
    example and with five, the mean of four folds. None stands for what was not measured.
    """

    name: str
    image_weights: str
    text_weights: str
    licence: str
    longest_side: int
    parameters: float
    channels: int
    stride: int
    seconds: float
    memory: float
    photographs: tuple[float, float] | None
    icons: tuple[float, float] | None


def model_facts() -> list[ModelFacts]:
    """All named models, in the order of the catalogue."""
    text = resources.files("cdpnet.encoders").joinpath(MEASURED_FILE).read_text(encoding="utf-8")
    measured: dict[str, dict[str, float]] = json.loads(text)
    return [_facts(name, measured[name]) for name in PAIRS]


def _facts(name: str, measured: dict[str, float]) -> ModelFacts:
    pair = PAIRS[name]
    own_text = pair.text in (TINY_MODEL, TEXT_MODEL)
    return ModelFacts(
        name=name,
        image_weights=_image_weights(name),
        text_weights=_SHIPPED if own_text else "/".join(_TEXT_FILES[pair.text]),
        licence=_LICENCES.get(name, "not stated"),
        longest_side=pair.longest_side,
        parameters=measured["parameters"],
        channels=int(measured["channels"]),
        stride=int(measured["stride"]),
        seconds=measured["seconds"],
        memory=measured["memory"],
        photographs=_both(measured, "photographs"),
        icons=_both(measured, "icons"),
    )


def _image_weights(name: str) -> str:
    if name in IMAGE_FILES:
        return "/".join(IMAGE_FILES[name])
    return {"tiny": _SHIPPED, "photo": "in a dependency"}.get(name, "from the authors of SSP")


def _both(measured: dict[str, float], data: str) -> tuple[float, float] | None:
    found = [measured.get(f"{data}_{shots}_shot") for shots in (1, 5)]
    one, five = found
    return None if one is None or five is None else (one, five)


def offline_lines(model: ModelFacts) -> list[str]:
    """Lines that fetch the weights where there is a network, and one that uses them; none for shipped ones."""
    lines, options = [], []
    for option, where, folder in (
        ("--image-weights", model.image_weights, "image"),
        ("--text-weights", model.text_weights, "text"),
    ):
        repo, _, file = where.rpartition("/")
        if repo:
            lines.append(f"hf download {repo} {file} --local-dir {model.name}/{folder}")
            options.append(f"{option} {model.name}/{folder}/{file}")
    return [*lines, f"cdpnet segment --model {model.name} {' '.join(options)} ..."] if lines else []
