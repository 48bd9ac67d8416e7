"""The prototypes of parts: k-means by a naive loop, values by hand, and classes with them through every way of use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import MatchingConfig, method
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.inference.class_files import load_class, save_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import build_network
from cdpnet.network.matching import adaptive_match
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes, mean_prototypes, stack_prototypes
from cdpnet.network.parts import N_PARTS, match_nearest, part_prototypes


def naive_groups(vectors: list[Tensor]) -> list[Tensor]:
    """The groups of the vectors of one region, location by location."""
    vectors = [v / v.norm() for v in vectors]
    mean = torch.stack(vectors).sum(dim=0)
    centres = [max(vectors, key=lambda v: float(v @ mean))]
    while len(centres) < N_PARTS:
        centres.append(min(vectors, key=lambda v: max(float(v @ c) for c in centres)))
    for _ in range(8):
        members: list[list[Tensor]] = [[] for _ in centres]
        for v in vectors:
            members[max(range(len(centres)), key=lambda i: (float(v @ centres[i]), -i))].append(v)
        sums = [torch.stack(found).sum(dim=0) if found else None for found in members]
        centres = [old if new is None else new / new.norm() for old, new in zip(centres, sums, strict=True)]
    return centres


def test_the_groups_are_those_of_a_naive_loop() -> None:
    features = torch.randn(1, 2, 5, 6, 8, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(1, 2, 12, 16, dtype=torch.uint8)
    masks[0, 0, 2:8, 4:14] = 1
    masks[0, 1, :10] = 1
    masks[0, 1, :, 12:] = 255
    found = part_prototypes(features, masks)
    assert found.shape == (1, 2, 2 * N_PARTS, 5)
    for k in range(2):
        for region in (0, 1):
            inside = (masks[0, k] == region).float()[::2, ::2] > 0  # the masks follow the locations of 2 pixels
            expected = naive_groups([features[0, k, :, y, x] for y, x in inside.nonzero().tolist()])
            part = found[0, region, k * N_PARTS : (k + 1) * N_PARTS]
            torch.testing.assert_close(part, torch.stack(expected), atol=1e-5, rtol=1e-4)


def test_a_mask_that_covers_no_location_gives_the_one_covered_most() -> None:
    features = torch.randn(1, 1, 4, 2, 2)
    masks = torch.ones(1, 1, 32, 32, dtype=torch.uint8)
    masks[..., :16, :16] = 0
    masks[..., 4:8, 4:8] = 1  # 16 of 256 pixels: background still
    found = part_prototypes(features, masks)
    expected = F.normalize(features[0, 0, :, 0, 0], dim=0)
    torch.testing.assert_close(found[0, 0], expected.expand(N_PARTS, -1))
    small = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    small[..., 20:24, 2:6] = 1
    found = part_prototypes(features, small)
    torch.testing.assert_close(found[0, 1], F.normalize(features[0, 0, :, 1, 0], dim=0).expand(N_PARTS, -1))


def test_the_nearest_part_is_matched_by_hand() -> None:
    """A location at (0.6, 0.8) with the nearest background part at 0.6 and foreground part at 0.8, times 10."""
    unit = torch.tensor([[[0.6, 0.8]]])
    parts = torch.tensor([[[[1.0, 0.0], [-1.0, 0.0]], [[0.0, 1.0], [0.0, -1.0]]]])
    torch.testing.assert_close(match_nearest(unit, parts, 10.0), torch.tensor([[[6.0], [8.0]]]))


@pytest.mark.parametrize("switches", [(False, False), (True, False), (True, True)])
def test_the_output_is_the_mean_with_the_match_of_the_parts(switches: tuple[bool, bool]) -> None:
    """With neither of the two matches after the first, with one, and with both."""
    draw = torch.Generator().manual_seed(2)
    features = torch.randn(2, 3, 4, 5, generator=draw)
    background, foreground = torch.randn(2, 2, 3, generator=draw)
    parts = F.normalize(torch.randn(2, 2, 4, 3, generator=draw), dim=3)
    config, (adaptive, refinement) = MatchingConfig(), switches
    with_parts, without = (
        adaptive_match(features, prototypes, config, adaptive=adaptive, refinement=refinement)
        for prototypes in (Prototypes(background, foreground, None, parts), Prototypes(background, foreground, None))
    )
    unit = F.normalize(features.flatten(2), dim=1).transpose(1, 2)
    nearest = match_nearest(unit, parts, config.temperature).reshape(2, 2, 4, 5)
    assert torch.equal(with_parts.initial, without.initial)
    torch.testing.assert_close(with_parts.output, (without.output + nearest) / 2)


def test_parts_of_shots_are_kept_and_padding_changes_no_match() -> None:
    draw = torch.Generator().manual_seed(1)
    background, foreground = torch.randn(2, 2, 1, 3, generator=draw)
    parts = torch.randn(2, 1, 2, 4, 3, generator=draw)
    shots = [Prototypes(background[i], foreground[i], None, parts[i]) for i in range(2)]
    two = mean_prototypes(shots)
    assert two.parts is not None
    assert two.parts.shape == (1, 2, 8, 3)
    both = stack_prototypes([two, shots[0]])
    assert both.parts is not None
    assert both.parts.shape == (2, 2, 8, 3)
    unit = F.normalize(torch.randn(1, 5, 3, generator=draw), dim=2)
    assert shots[0].parts is not None
    assert torch.equal(match_nearest(unit, shots[0].parts, 10.0), match_nearest(unit, both.parts[1:], 10.0))
    assert stack_prototypes([two, shots[0]._replace(parts=None)]).parts is None


@pytest.fixture(scope="module")
def photo() -> PrototypeNetwork:
    torch.manual_seed(0)
    return build_network(method("cdpn", "photo"), WeightSources(RANDOM, RANDOM)).eval()


def test_a_class_file_keeps_the_parts(photo: PrototypeNetwork, tmp_path: Path) -> None:
    """A class of two examples and one of one, segmented together, alone, and from files: the same masks."""
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(3)]
    masks = [np.zeros((64, 96), np.uint8) for _ in range(2)]
    masks[0][16:48, 16:64], masks[1][:32, 48:] = 1, 1
    segmenter = Segmenter(photo)
    learned = [segmenter.learn("cat", images[:2], masks), segmenter.learn("dog", images[1], masks[1])]
    assert [None if c.parts is None else tuple(c.parts.shape) for c in learned] == [(2, 64, 592), (2, 32, 592)]
    together = segmenter.segment(images[2], learned, min_presence=0.0)
    for i, one in enumerate(learned):
        alone = segmenter.segment(images[2], one, min_presence=0.0)
        np.testing.assert_allclose(alone.scores[0], together.scores[i], atol=1e-5)
        save_class(one, tmp_path / f"{i}.safetensors")
    files = [load_class(tmp_path / f"{i}.safetensors") for i in range(2)]
    assert np.array_equal(segmenter.segment(images[2], files, min_presence=0.0).mask, together.mask)


def test_a_class_known_by_its_name_is_matched_without_parts(photo: PrototypeNetwork) -> None:
    segmenter = Segmenter(photo)
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    mask = np.zeros((64, 96), np.uint8)
    mask[:32] = 1
    named, marked = segmenter.learn_name("cat"), segmenter.learn("dog", image, mask)
    assert named.parts is not None
    assert not named.parts.any()
    both = segmenter.segment(image, [named, marked], min_presence=0.0)
    for i, one in enumerate((named, marked)):
        alone = segmenter.segment(image, one, min_presence=0.0)
        np.testing.assert_allclose(alone.scores[0], both.scores[i], atol=1e-5)
