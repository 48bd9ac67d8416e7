"""Transforms of an image with its labels: sizes, padding, and pixels that stay together."""

from __future__ import annotations

import torch
from torch import Tensor

from cdpnet.data.transforms import (
    change_colours,
    crop_around,
    crop_at_random,
    fit_into_square,
    fit_longest_side,
    pad_to_side,
    resize_with_labels,
    zoom,
)
from cdpnet.runtime.rng import keys, uniform


def numbered(h: int, w: int) -> tuple[Tensor, Tensor]:
    """An image whose channels equal its labels: 1..h*w."""
    labels = torch.arange(1, h * w + 1, dtype=torch.int16).reshape(h, w)
    return labels.to(torch.uint8).expand(3, h, w), labels


def test_padding_is_black_and_unlabelled() -> None:
    image, labels = pad_to_side(*numbered(5, 9), 8)
    assert (image.shape, labels.shape) == ((3, 8, 9), (8, 9))
    assert not image[:, 5:].any()
    assert (labels[5:] == -1).all()


def test_no_side_is_shorter_than_an_encoder_needs() -> None:
    for side, expected in ((0, (32, 300)), (100, (32, 100))):
        image, labels = fit_longest_side(*numbered(1, 300), side)
        assert (image.shape, labels.shape) == ((3, *expected), expected)
    for size in ((32, 40), (64, 80)):
        image, labels = fit_longest_side(*numbered(64, 80), size[1])
        assert labels.shape == size
    assert fit_longest_side(image, labels, 0)[0] is image


def test_a_crop_keeps_image_and_labels_together() -> None:
    image, labels = crop_at_random(*numbered(12, 10), 6, (0.5, 0.99, 0.7))
    assert torch.equal(image[0].to(torch.int16), labels)
    assert int(labels[0, 0]) == 3 * 10 + 4 + 1
    flipped = crop_at_random(*numbered(12, 10), 6, (0.5, 0.99, 0.3))
    assert torch.equal(flipped[0], image.flip(-1))
    assert torch.equal(flipped[1], labels.flip(-1))


def test_the_longer_side_fits_and_sides_are_multiples_of_eight() -> None:
    image, labels, size = fit_into_square(*numbered(30, 60), 41)
    assert (image.shape, labels.shape, size) == ((3, 41, 41), (41, 41), (16, 40))
    assert not image[:, 16:].any()
    assert (labels[:, 40:] == -1).all()


def test_labels_are_resized_to_numbers_that_exist() -> None:
    image, labels = resize_with_labels(*numbered(4, 6), (8, 12))
    assert image.shape == (3, 8, 12)
    assert image.dtype == torch.uint8
    assert set(labels.flatten().tolist()) == set(range(1, 25))


def test_a_crop_shows_the_wanted_class_wherever_it_is() -> None:
    labels = torch.zeros(40, 50, dtype=torch.int16)
    labels[3, 47] = 5
    labels[30:33, 10:12] = 5
    image = labels.to(torch.uint8).expand(3, 40, 50)
    tops = set()
    for step in range(40):
        u = uniform(keys(0, torch.tensor([step])), 4)[0].tolist()
        cropped, found = crop_around(image, labels, 16, 5, u)
        assert found.shape == (16, 16)
        assert (found == 5).any()
        assert torch.equal(cropped[0].to(torch.int16), found)
        tops.add(int((found == 5).nonzero()[0, 0]))
    assert len(tops) > 5  # the class is not always at one place of the crop


def test_a_crop_without_the_wanted_class_is_any_crop() -> None:
    assert torch.equal(
        crop_around(*numbered(12, 10), 6, 999, (0.1, 0.5, 0.99, 0.7))[1],
        crop_at_random(*numbered(12, 10), 6, (0.5, 0.99, 0.7))[1],
    )


def test_a_zoom_is_uniform_in_the_logarithm_of_the_scale() -> None:
    image, labels = numbered(20, 10)
    shapes = [tuple(zoom(image, labels, 0.5, 2.0, u)[1].shape) for u in (0.0, 0.5, 1.0)]
    assert shapes == [(10, 5), (20, 10), (40, 20)]


def test_colours_change_by_at_most_the_strength() -> None:
    image = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    assert torch.equal(change_colours(image, 0.25, (0.5, 0.5, 0.5)), image)
    assert int(change_colours(image, 0.25, (1.0, 0.5, 0.5)).max()) == 125
    assert int(change_colours(image, 0.25, (0.0, 0.5, 0.5)).min()) == 75
