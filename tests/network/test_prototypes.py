"""Prototypes of supports by values worked by hand and by loops."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdpnet.network.fusion import ImageTextFusion
from cdpnet.network.prototypes import SupportPrototypes, masked_average_pooling
from tests.network import naive


def test_masked_average_pooling_by_hand() -> None:
    features = torch.arange(8.0).reshape(1, 2, 2, 2)  # channel 0: 0 1 / 2 3, channel 1: 4 5 / 6 7
    mask = torch.tensor([[[1, 0], [1, 0]]])
    expected = torch.tensor([[2.0, 10.0]]) / (2 + 1e-5)
    torch.testing.assert_close(masked_average_pooling(features, mask), expected)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), h=st.integers(2, 9), w=st.integers(2, 9), scale=st.integers(1, 3))
def test_masked_average_pooling_equals_the_loop(seed: int, h: int, w: int, scale: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 3, 4, h, w, generator=generator)
    masks = torch.rand(2, 3, h * scale, w * scale, generator=generator) < 0.3
    result = masked_average_pooling(features, masks)
    for i in range(2):
        for k in range(3):
            torch.testing.assert_close(result[i, k], naive.pool(features[i, k], masks[i, k]), atol=1e-4, rtol=1e-3)


def test_the_mix_of_prototypes_starts_even_and_skips_missing_names() -> None:
    generator = SupportPrototypes(multimodal=True, background_name=False)
    visual, fused, text = torch.ones(2, 1, 3, 2, 2), 4 * torch.ones(2, 1, 3, 2, 2), 7 * torch.ones(2, 3)
    masks = torch.tensor([[1, 0], [1, 0]]).expand(2, 1, 2, 2)
    pool_fused = partial(masked_average_pooling, fused)
    prototypes = generator(visual, pool_fused, masks, text, torch.tensor([True, False]))
    torch.testing.assert_close(prototypes.foreground[0], torch.full((3,), 4.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(prototypes.foreground[1], torch.full((3,), 2.5), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("trained", [False, True])
def test_means_of_fused_features_need_no_fused_features(trained: bool) -> None:
    torch.manual_seed(0)
    fusion = ImageTextFusion(6, 4)
    if trained:
        for part in fusion.out.parameters():
            torch.nn.init.normal_(part)
    features, text, masks = torch.randn(2, 3, 6, 5, 4), torch.randn(2, 6), torch.rand(2, 3, 20, 16) < 0.3
    masks[0, 1] = False  # no pixel is meant: the mean is 0
    found = fusion.pooling(features, text)(masks)
    torch.testing.assert_close(found, masked_average_pooling(fusion(features, text), masks), atol=1e-6, rtol=1e-5)
    assert not found[0, 1].any()


def test_the_word_for_background_is_mixed_into_the_background() -> None:
    generator = SupportPrototypes(multimodal=False, background_name=True)
    assert generator.background_mix is not None
    generator.background_mix.data = torch.tensor([0.0, math.log(3.0)])  # a quarter of the image, the rest the word
    features, word = torch.ones(1, 1, 3, 2, 2), 5 * torch.ones(1, 3)
    masks = torch.tensor([[1, 0], [1, 0]]).expand(1, 1, 2, 2)
    named = torch.tensor([False])  # the word is known where the class has no name, too
    prototypes = generator(features, None, masks, torch.zeros(1, 3), named, word)
    torch.testing.assert_close(prototypes.background, torch.full((1, 3), 4.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(prototypes.foreground, torch.full((1, 3), 1.0), atol=1e-4, rtol=0)
