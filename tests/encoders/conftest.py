"""Encoders of every kind in a small size: where the size is not the point, they show the same as the real ones."""

from __future__ import annotations

import json

import open_clip
import pytest

from cdpnet.encoders.catalogue import PAIRS, EncoderPair

_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
_RESIDUAL = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}
_TRANSFORMER = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
CLIP_MODELS = {"small-residual": _RESIDUAL, "small-transformer": _TRANSFORMER}
SMALL_PAIRS = {
    "small-resnet": EncoderPair("residual:resnet26t", "small-transformer"),  # a stem of three convolutions
    "small-clip-residual": EncoderPair("clip-residual:small-residual", "small-residual"),
    "small-clip-transformer": EncoderPair("clip-transformer:small-transformer", "small-transformer"),
    "small-timm-transformer": EncoderPair("timm:test_vit", "small-transformer"),
}


@pytest.fixture(scope="session")
def clip_models(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two small models of CLIP, known to open_clip by their names."""
    folder = tmp_path_factory.mktemp("open_clip")
    for name, vision in CLIP_MODELS.items():
        config = {"embed_dim": 32, "quick_gelu": True, "vision_cfg": vision, "text_cfg": _TEXT}
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


@pytest.fixture
def small_pairs(clip_models: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """`SMALL_PAIRS` as named pairs."""
    for name, pair in SMALL_PAIRS.items():
        monkeypatch.setitem(PAIRS, name, pair)
