"""Scenes of the embedded data: pure functions of seed and index, with visible targets."""

from __future__ import annotations

import torch

from cdpnet.data.icons.glyphs import sprites
from cdpnet.data.icons.scenes import SceneLayout, compose

LAYOUT = SceneLayout()


def test_a_scene_is_a_pure_function_of_seed_and_index() -> None:
    index, target = torch.arange(12), torch.arange(0, 600, 50)
    pool = torch.arange(700)
    together = compose(5, index, target, pool, LAYOUT)
    for i in (0, 7, 11):
        alone = compose(5, index[i : i + 1], target[i : i + 1], pool, LAYOUT)
        assert torch.equal(alone.images[0], together.images[i])
        assert torch.equal(alone.labels[0], together.labels[i])
    other = compose(6, index, target, pool, LAYOUT)
    assert (other.images - together.images).abs().mean() > 0.05


def test_targets_are_visible_and_distractors_are_of_other_classes() -> None:
    index, layout = torch.arange(200), SceneLayout(size=48)
    target = (index * 37) % len(sprites().class_id)
    pool = torch.arange(100, 300)
    scenes = compose(0, index, target, pool, layout)
    wanted = sprites().class_id[target] + 1
    share = (scenes.labels == wanted[:, None, None]).float().mean(dim=(1, 2))
    assert share.min() >= layout.smallest_target
    allowed = set((sprites().class_id[pool] + 1).tolist())
    for i in range(200):
        assert set(scenes.labels[i].flatten().tolist()) - {0, int(wanted[i])} <= allowed
    assert 0 <= scenes.images.min() < scenes.images.max() <= 1


def test_a_scene_without_target_is_empty() -> None:
    scenes = compose(0, torch.arange(4), torch.full((4,), -1), torch.arange(50), LAYOUT)
    assert scenes.labels.sum() == 0
