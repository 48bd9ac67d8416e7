"""Enlarged views of examples: by hand, by a naive loop, and through every way of learning."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from cdpnet.config import method
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.inference.learning import Support, encode_support
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import build_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.views import enlarge
from tests.helpers import random_batch


def test_a_quarter_of_the_image_by_hand() -> None:
    """An object of 2 x 2 pixels in 16 x 16: the window is 4 x 4 pixels, each 4 x 4 times as large."""
    image = torch.arange(256.0).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    mask = torch.zeros(1, 16, 16, dtype=torch.uint8)
    mask[0, 6:8, 10:12] = 1
    view, labels = enlarge(image, mask)
    expected = mask[0, 5:9, 9:13].repeat_interleave(4, dim=0).repeat_interleave(4, dim=1)
    assert torch.equal(labels[0], expected)
    # The middle of the window is the corner between the four pixels of the object.
    torch.testing.assert_close(view[0, 0, 7:9, 7:9].mean(), image[0, 0, 6:8, 10:12].mean())
    torch.testing.assert_close(view[0, 0, 8, 9] - view[0, 0, 8, 8], torch.tensor(0.25))  # a step of 1 in 4 pixels


@pytest.mark.parametrize(("top", "left"), [(0, 0), (37, 51), (10, 20)])
def test_the_view_is_that_of_a_naive_loop(top: int, left: int) -> None:
    generator = torch.Generator().manual_seed(top)
    image = torch.randint(0, 256, (1, 3, 40, 56), generator=generator, dtype=torch.uint8)
    mask = torch.zeros(1, 40, 56, dtype=torch.uint8)
    mask[0, top : top + 3, left : left + 5] = 1
    mask[0, 20, :] = 255
    view, labels = enlarge(image, mask)
    assert view.dtype == torch.uint8
    assert view.shape == image.shape
    share = max(1.3 * max(3 / 40, 5 / 56), 1 / 4)
    y0 = min(max((top + 1.5) - share * 40 / 2, 0), 40 - share * 40)
    x0 = min(max((left + 2.5) - share * 56 / 2, 0), 56 - share * 56)
    for i in range(0, 40, 3):
        for j in range(0, 56, 5):
            y, x = y0 + (i + 0.5) * share - 0.5, x0 + (j + 0.5) * share - 0.5
            assert labels[0, i, j] == mask[0, _inside(round(y), 40), _inside(round(x), 56)]
            for channel in range(3):
                assert abs(float(view[0, channel, i, j]) - _bilinear(image[0, channel], y, x)) <= 0.5 + 1e-3


def _inside(place: int, n: int) -> int:
    return min(max(place, 0), n - 1)


def _bilinear(image: Tensor, y: float, x: float) -> float:
    h, w = image.shape
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = _inside(y0 + 1, h), _inside(x0 + 1, w)
    above = float(image[y0, x0]) * (1 - (x - x0)) + float(image[y0, x1]) * (x - x0)
    below = float(image[y1, x0]) * (1 - (x - x0)) + float(image[y1, x1]) * (x - x0)
    return above * (1 - (y - y0)) + below * (y - y0)


@pytest.mark.parametrize("marked", [slice(0, 0), slice(0, 30)])
def test_nothing_marked_or_nearly_all_gives_the_image(marked: slice) -> None:
    image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
    mask[0, marked] = 1
    view, labels = enlarge(image, mask)
    assert torch.equal(view, image)
    assert torch.equal(labels, mask)


def test_images_of_a_batch_do_not_change_each_other() -> None:
    images = torch.randint(0, 256, (3, 3, 32, 48), dtype=torch.uint8)
    masks = torch.zeros(3, 32, 48, dtype=torch.uint8)
    masks[0, 3:9, 30:40], masks[1, :, 5:9], masks[2, 31, 47] = 1, 1, 1
    together = enlarge(images, masks)
    for i in range(3):
        alone = enlarge(images[i : i + 1], masks[i : i + 1])
        assert all(torch.equal(one[i], other[0]) for one, other in zip(together, alone, strict=True))


def network(*, enlarged: bool, seed: int = 0) -> PrototypeNetwork:
    torch.manual_seed(seed)
    config = dataclasses.replace(method("cdpn", "tiny"), enlarged_views=enlarged, part_prototypes=True)
    return build_network(config, WeightSources(RANDOM, RANDOM)).eval()


@torch.no_grad()
def test_views_are_examples_more_and_nothing_else_changes() -> None:
    batch = random_batch(k=2)
    twice, once = network(enlarged=True), network(enlarged=False)
    images, masks = twice.add_views(batch.support_images, batch.support_masks)
    assert images.shape[1] == 4
    assert torch.equal(images[:, :2], batch.support_images)
    by_hand = once.learn(images, masks, batch.class_names)
    learned = twice.learn(batch.support_images, batch.support_masks, batch.class_names)
    for part, expected in zip(learned, by_hand, strict=True):
        torch.testing.assert_close(part, expected)
    prediction = twice(batch)
    torch.testing.assert_close(prediction.logits, twice.match(batch.query_images, learned).logits, atol=1e-4, rtol=1e-4)
    assert prediction.support_features is None  # only the loss reads them
    with torch.enable_grad():
        prediction = twice(batch)
    assert prediction.support_features is not None
    assert prediction.support_features.shape[1] == 2  # the loss on supports has the masks of the whole images


def test_a_class_learned_by_the_segmenter_has_both_views() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 24:50] = 1
    segmenter = Segmenter(network(enlarged=True), longest_side=64)
    learned = segmenter.learn("thing", image, mask)
    tensors = torch.from_numpy(image).permute(2, 0, 1)[None, None], torch.from_numpy(mask)[None, None]
    with torch.no_grad():
        expected = segmenter.network.learn(*tensors, ("thing",))
    torch.testing.assert_close(learned.foreground, expected.foreground[0], atol=1e-5, rtol=1e-4)
    support = Support(tensors[0][0, 0], tensors[1][0, 0], "")
    with torch.no_grad():
        known = encode_support(segmenter.network, support, segmenter.network.image.features(tensors[0][0]))
        torch.testing.assert_close(known.features, encode_support(segmenter.network, support).features)
    assert learned.shots == len(learned.examples) == 1
    assert learned.model == Segmenter(network(enlarged=False), longest_side=64).model  # a class file fits both
    again = segmenter.add_example(learned, image[:, ::-1].copy(), mask[:, ::-1].copy())
    together = segmenter.learn("thing", [image, image[:, ::-1].copy()], [mask, mask[:, ::-1].copy()])
    assert torch.equal(again.foreground, together.foreground)
