"""Classes known by their name alone: the mask that starts them, by hand and by a naive loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from cdpnet.config import method
from cdpnet.errors import ConfigError, DataError
from cdpnet.inference.class_files import load_class, save_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import build_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.proposals import name_mask


def test_the_best_locations_are_marked_and_most_others_are_background() -> None:
    """Naive: cosines of the last channels one by one, sorted."""
    generator = torch.Generator().manual_seed(0)
    features, text = torch.randn(2, 7, 10, 6, generator=generator), torch.randn(2, 7, generator=generator)
    masks = name_mask(features, text, first=3)
    assert masks.shape == (2, 10, 6)
    for i in range(2):
        cosines = [float(F.cosine_similarity(f[3:], text[i, 3:], dim=0)) for f in features[i].flatten(1).T]
        order = sorted(range(60), key=lambda place: -cosines[place])
        expected = torch.zeros(60, dtype=torch.uint8)
        expected[order[:12]] = 1
        assert torch.equal(masks[i].flatten(), expected)  # 60 locations: 12 marked, the other 48 are 80 %


@pytest.mark.parametrize("size", [(1, 2), (2, 2), (3, 5)])
def test_small_grids_have_foreground_and_background(size: tuple[int, int]) -> None:
    masks = name_mask(torch.randn(1, 4, *size), torch.randn(1, 4), first=0)
    assert (masks == 1).any()
    assert (masks == 0).any()


def test_a_name_finds_what_looks_like_it(tiny: PrototypeNetwork) -> None:
    """Right half of the features is the projected name, left half is something else: the mask is the right half."""
    segmenter = Segmenter(tiny)
    known = segmenter.learn_name("star")
    assert known.text is not None
    other = torch.randn(len(known.text), generator=torch.Generator().manual_seed(0))
    grid = torch.stack([*[other] * 4, *[known.text] * 4])[:, :, None].expand(8, -1, 8).permute(1, 2, 0)
    with torch.inference_mode():
        learned = tiny.propose(grid[None], known.text[None])
        found = tiny.match_features(grid[None], learned, (8, 8)).masks[0]
    assert found[:, 4:].all()
    assert not found[:, :4].any()


def test_a_class_of_a_name_alone_is_saved_and_used(tiny: PrototypeNetwork, tmp_path: Path) -> None:
    path = tmp_path / "star.safetensors"
    segmenter = Segmenter(tiny)
    save_class(segmenter.learn_name("star"), path)
    learned = load_class(path)
    assert (learned.shots, learned.by_name) == (0, True)
    image = torch.randint(0, 256, (3, 96, 96), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    both = segmenter.segment(image, [learned, segmenter.learn_name("moon")], min_presence=0.0)
    assert both.mask.shape == (96, 96)
    assert set(both.found) <= {"star", "moon"}


def test_a_name_needs_a_network_that_reads_it(tiny: PrototypeNetwork) -> None:
    with pytest.raises(ConfigError, match="reads no names"):
        Segmenter(build_network(method("ssp"))).learn_name("star")
    with pytest.raises(DataError, match="name is empty"):
        Segmenter(tiny).learn_name(" ")
