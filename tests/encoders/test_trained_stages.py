"""Which stages of an image encoder are trained."""

from __future__ import annotations

import pytest
import torch

from cdpnet.config import EncoderConfig
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "trained", "stages"),
    [
        ("small-resnet", "own", {2, 3}),
        ("small-resnet", "last:1", {3}),
        ("small-resnet", "all", {0, 1, 2, 3}),
        ("small-resnet", "frozen", set()),
        ("small-timm-transformer", "own", set()),
        ("small-timm-transformer", "last:2", {4, 5}),
        ("small-clip-transformer", "last:1", {1}),
    ],
)
@pytest.mark.usefixtures("small_pairs")
def test_the_stages_to_train_can_be_chosen(name: str, trained: str, stages: set[int]) -> None:
    config = EncoderConfig(name, trained=trained)
    image = build_encoders(config, WeightSources(RANDOM, RANDOM), reads_names=False).image
    changing = {
        i for i, stage in enumerate(image.trainable_stages()) if any(p.requires_grad for p in stage.parameters())
    }
    assert changing == stages
    if stages:
        image.features(torch.rand(1, 3, 64, 64)).square().mean().backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None for p in image.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("trained", "said"), [("last:0", "last:N"), ("some", "own, frozen, all or last:N"), ("last:99", "has 4 stages")]
)
@pytest.mark.usefixtures("small_pairs")
def test_stages_that_cannot_be_trained_are_refused(trained: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_encoders(EncoderConfig("small-resnet", trained=trained), WeightSources(RANDOM), reads_names=False)
