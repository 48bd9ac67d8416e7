"""Edge refinement: a naive loop, values by hand, and what must hold for any image."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cdpnet.inference.refinement import affinities, neighbours, refine_edges

OFFSETS = [(d * y, d * x) for d in (1, 2, 4) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def naive_affinities(colours: Tensor) -> Tensor:
    """Pixel by pixel, the border repeated."""
    _, h, w = colours.shape
    found = torch.zeros(24, h, w)
    for y in range(h):
        for x in range(w):
            around = torch.stack(
                [colours[:, min(max(y + dy, 0), h - 1), min(max(x + dx, 0), w - 1)] for dy, dx in OFFSETS]
            )
            here = colours[:, y, x]
            spread = torch.cat((around, here[None])).std(dim=0)
            found[:, y, x] = (-((around - here).abs() / (0.1 * spread + 1e-6)).mean(dim=1)).softmax(dim=0)
    return found


def test_affinities_equal_a_naive_loop() -> None:
    colours = torch.rand(3, 7, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(affinities(colours[None])[0], naive_affinities(colours), atol=1e-5)


def test_neighbours_by_hand() -> None:
    around = neighbours(torch.arange(6.0).reshape(1, 1, 2, 3))
    assert around.shape == (1, 1, 24, 2, 3)
    assert around[0, 0, :8, 0, 1].tolist() == [0, 1, 2, 0, 2, 3, 4, 5]  # at distance 1, the top row repeated above


def test_a_mask_moves_to_the_edge_of_the_colours() -> None:
    """Left half black, right half white; the coarse scores are 8 pixels off, the refined ones are not."""
    image = torch.zeros(3, 64, 64)
    image[:, :, 32:] = 1
    coarse = torch.full((1, 16, 16), -2.0)
    coarse[:, :, 6:] = 2.0  # begins at pixel 24 of 64
    (refined,) = refine_edges(coarse[None], image[None])
    assert refined.shape == (1, 16, 16)
    left, right = (refined[0, :, 6:8] > 0).float().mean(), (refined[0, :, 8:] > 0).float().mean()
    assert right == 1
    assert left < 0.5


def test_scores_of_an_even_image_stay_between_the_lowest_and_the_highest() -> None:
    coarse = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1))
    (refined,) = refine_edges(coarse[None], torch.full((1, 3, 64, 80), 128, dtype=torch.uint8))
    assert refined.shape == (2, 16, 20)
    assert (refined.amax(dim=(1, 2)) <= coarse.amax(dim=(1, 2)) + 1e-4).all()
    assert (refined.amin(dim=(1, 2)) >= coarse.amin(dim=(1, 2)) - 1e-4).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(4, 40), st.integers(4, 40), st.booleans())
def test_any_size_is_refined_to_finite_scores(n: int, h: int, w: int, is_byte: bool) -> None:
    images = torch.rand(2, 3, h, w)
    images = (images * 255).to(torch.uint8) if is_byte else images
    refined = refine_edges(torch.randn(2, n, -(-h // 16), -(-w // 16)), images)
    assert refined.isfinite().all()
    assert refined.shape == (2, n, h // 4, w // 4)


def test_images_and_classes_are_refined_independently() -> None:
    generator = torch.Generator().manual_seed(2)
    images, coarse = torch.rand(2, 3, 48, 40, generator=generator), torch.randn(2, 3, 3, 3, generator=generator)
    together = refine_edges(coarse, images)
    for i in range(2):
        for k in range(3):
            alone = refine_edges(coarse[i : i + 1, k : k + 1], images[i : i + 1])
            assert torch.allclose(together[i, k], alone[0, 0], atol=1e-5)
