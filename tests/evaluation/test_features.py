"""The cache of features: the same features, each image encoded once, and no more kept than allowed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cdpnet.evaluation import features
from cdpnet.evaluation.features import FeatureCache
from cdpnet.network.network import PrototypeNetwork


def counted(network: PrototypeNetwork, monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes of the images that the network encodes from now on."""
    seen: list[torch.Size] = []
    encode = network.image.features

    def watched(images: Tensor) -> Tensor:
        seen.append(images.shape)
        return encode(images)

    monkeypatch.setattr(network.image, "features", watched)
    return seen


def images(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 1, 3, 40, 48), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@torch.inference_mode()
def test_an_image_is_encoded_once(tiny: PrototypeNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [tiny.image.features(image) for image in images(2)]
    cache, seen = FeatureCache(tiny), counted(tiny, monkeypatch)
    for _ in range(3):
        for image, wanted in zip(images(2), expected, strict=True):
            assert torch.equal(cache.features(image.clone()), wanted)
    assert len(seen) == 2


@torch.inference_mode()
def test_the_image_used_longest_ago_is_forgotten_first(tiny: PrototypeNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = images(3)
    monkeypatch.setattr(features, "_MOST_NUMBERS", 2 * tiny.image.features(first).numel())
    cache, seen = FeatureCache(tiny), counted(tiny, monkeypatch)
    for image in (first, second, first, third):  # the third takes the place of the second
        cache.features(image)
    assert len(seen) == 3
    cache.features(first)
    assert len(seen) == 3
    cache.features(second)
    assert len(seen) == 4
