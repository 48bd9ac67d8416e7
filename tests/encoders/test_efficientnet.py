"""EfficientNet-Lite2 beside timm's: the same parameters and the same numbers.

Step by step they are equal bit for bit; with batch normalisation taken over by the convolutions, up to rounding.
"""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from cdpnet.encoders import efficientnet
from cdpnet.encoders.efficientnet import EfficientNetLite2
from cdpnet.encoders.photo import load_by_position, load_photo_model, weights_file
from cdpnet.encoders.weights import read_state


def timms_model() -> Any:
    return timm.create_model("tf_efficientnet_lite2", pretrained=False, output_stride=16).eval()


def test_parameters_have_timms_names_order_and_shapes() -> None:
    """The names decide which files and classes fit; only the four parts outside the blocks have others."""
    ours, theirs = EfficientNetLite2().state_dict(), timms_model().state_dict()
    parts = {"stem.0": "conv_stem", "stem.1": "bn1", "head.0": "conv_head", "head.1": "bn2"}
    named = [next((key.replace(a, b, 1) for a, b in parts.items() if key.startswith(a)), key) for key in ours]
    assert named == list(theirs)
    assert [value.shape for value in ours.values()] == [value.shape for value in theirs.values()]


@torch.inference_mode()
@pytest.mark.parametrize("size", [(32, 32), (64, 96), (160, 240)])
@pytest.mark.parametrize("plain", [True, False])
def test_numbers_are_timms(*, plain: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    if plain:
        monkeypatch.setattr(efficientnet, "on_cpu", lambda x: False)  # noqa: ARG005
    tolerance = 0.0 if plain else 1e-4
    ours, theirs = load_photo_model().eval(), timms_model()
    load_by_position(theirs, read_state(weights_file()), "file")
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    mine, other = ours.stem(images), theirs.bn1(theirs.conv_stem(images))
    for block, reference in zip(ours.blocks, theirs.blocks, strict=True):
        mine, other = block(mine), reference(other)
        torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)
    features = ours.head(mine)
    assert features.shape == (2, 1280, size[0] // 16, size[1] // 16)
    torch.testing.assert_close(features, theirs.bn2(theirs.conv_head(other)), rtol=tolerance, atol=tolerance)
    pooled = features.mean(dim=(2, 3))
    assert torch.equal(ours.classifier(pooled), theirs.classifier(pooled))


def test_random_weights_vary_as_timms() -> None:
    torch.manual_seed(0)
    ours, theirs = EfficientNetLite2().state_dict(), timms_model().state_dict()
    for key, mine, other in zip(ours, ours.values(), theirs.values(), strict=True):
        if mine.numel() > 1000 and mine.ndim > 1:
            torch.testing.assert_close(mine.std(), other.std(), rtol=0.15, atol=0, msg=key)
        elif mine.ndim == 1:
            assert torch.equal(mine, other), key
