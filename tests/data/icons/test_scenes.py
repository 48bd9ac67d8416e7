"""Draws, glyphs, scenes and episodes of the embedded data set."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.glyphs import FAMILIES, N_FOLDS, fold_of_class, nouns, sprites
from cdpnet.data.icons.scenes import SceneLayout, Scenes, compose
from cdpnet.data.source import Split
from cdpnet.errors import ConfigError
from cdpnet.runtime.rng import between, keys, pick, uniform

LAYOUT = SceneLayout()


def splitmix(seed: int, index: int, stream: int, n: int) -> float:
    """The same generator in whole numbers of Python."""
    mask, golden = 2**64 - 1, 0x9E3779B97F4A7C15

    def mix(x: int) -> int:
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return x ^ (x >> 31)

    base = mix((seed * golden + stream) & mask)
    key = mix((base + mix(index + 1)) & mask)
    return (mix((key + (n + 1) * golden) & mask) >> 40) / 2**24


def test_draws_equal_the_generator_in_whole_numbers() -> None:
    for seed, stream in ((0, 0), (123, 7), (2**40, 1 << 16)):
        index = torch.tensor([0, 1, 99_999])
        u = uniform(keys(seed, index, stream), 4)
        for row, i in enumerate(index.tolist()):
            assert u[row].tolist() == [splitmix(seed, i, stream, n) for n in range(4)]


def test_draws_are_uniform_and_independent() -> None:
    u = uniform(keys(3, torch.arange(4000)), 8)
    assert 0 <= u.min() < u.max() < 1
    torch.testing.assert_close(u.mean(dim=0), torch.full((8,), 0.5), atol=0.03, rtol=0)
    correlation = torch.corrcoef(u.T) - torch.eye(8)
    assert correlation.abs().max() < 0.06
    assert set(pick(u, 5).flatten().tolist()) == {0, 1, 2, 3, 4}
    assert between(u, -2, 3).min() >= -2


def test_the_table_of_nouns() -> None:
    names = [noun.name for noun in nouns()]
    assert names == sorted(set(names))
    assert len(names) >= 200
    assert not {noun.category for noun in nouns()} & set(names)
    several = [noun for noun in nouns() if len(noun.families) >= 2]
    assert len(several) >= 140


def test_folds_part_the_classes_of_several_families() -> None:
    folds = fold_of_class()
    sizes = [folds.count(fold) for fold in range(N_FOLDS)]
    assert max(sizes) - min(sizes) <= 1
    assert [fold is None for fold in folds] == [len(noun.families) < 2 for noun in nouns()]


def test_sprites_hold_their_ink_in_their_body() -> None:
    table = sprites()
    ink, body = table.layers[:, 0], table.layers[:, 1]
    assert table.layers.min() >= 0
    assert table.layers.max() <= 1
    assert (body.mean(dim=(1, 2)) > 0.05).all()
    assert ((ink > 0.9) & (body < 0.1)).float().mean() < 1e-3
    moon = table.of([n.name for n in nouns()].index("moon"))
    assert body[moon].mean() < 0.8
    assert body[:, 0, 0].max() == 0  # nothing touches the corner


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
    index = torch.arange(200)
    target = (index * 37) % len(sprites().class_id)
    pool = torch.arange(100, 300)
    scenes = compose(0, index, target, pool, LAYOUT)
    wanted = sprites().class_id[target] + 1
    share = (scenes.labels == wanted[:, None, None]).float().mean(dim=(1, 2))
    assert share.min() >= LAYOUT.smallest_target
    allowed = set((sprites().class_id[pool] + 1).tolist())
    for i in range(200):
        assert set(scenes.labels[i].flatten().tolist()) - {0, int(wanted[i])} <= allowed
    assert 0 <= scenes.images.min() < scenes.images.max() <= 1


def test_a_scene_without_target_is_empty() -> None:
    scenes = compose(0, torch.arange(4), torch.full((4,), -1), torch.arange(50), LAYOUT)
    assert scenes.labels.sum() == 0


def test_episodes_do_not_depend_on_how_they_are_batched() -> None:
    source = IconEpisodes(1, 2, "test", seed=3)
    whole = source.draw(torch.arange(10))
    parts = [source.draw(rows) for rows in torch.split(torch.arange(10), 3)]
    digest = [hashlib.sha256(), hashlib.sha256()]
    for sum_, draws in zip(digest, ([whole], parts), strict=True):
        for name in ("support_images", "support_masks", "query_images"):
            sum_.update(torch.cat([getattr(d.batch, name) for d in draws]).numpy().tobytes())
        sum_.update(torch.cat([d.query_masks for d in draws]).numpy().tobytes())
    assert digest[0].hexdigest() == digest[1].hexdigest()


def test_novel_classes_stay_novel() -> None:
    for fold in range(N_FOLDS):
        novel = {i for i, f in enumerate(fold_of_class()) if f == fold}
        assert set(IconEpisodes(fold, 1, "test").class_ids.tolist()) == novel
        splits: tuple[Split, ...] = ("train", "val")
        for split in splits:
            assert not set(IconEpisodes(fold, 1, split).class_ids.tolist()) & novel
    source = IconEpisodes(0, 1, "train")
    shown = set(sprites().class_id[source._distractors()].tolist())
    assert not shown & set(IconEpisodes(0, 1, "test").class_ids.tolist())


def test_support_and_query_come_from_different_families(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    def spied(seed: int, index: torch.Tensor, targets: torch.Tensor, *rest: Any) -> Scenes:
        seen.append(targets)
        return compose(seed, index, targets, *rest)

    monkeypatch.setattr("cdpnet.data.icons.episodes.compose", spied)
    drawn = IconEpisodes(0, 2, "test").draw(torch.arange(64))
    family = sprites().family[seen[0]].reshape(64, 3)
    assert torch.equal(sprites().class_id[seen[0]].reshape(64, 3), drawn.class_ids[:, None].expand(64, 3))
    assert (family[:, 0] == family[:, 1]).all()
    assert (family[:, 0] != family[:, 2]).all()
    assert set(family.flatten().tolist()) == set(range(len(FAMILIES)))


def test_splits_show_different_scenes() -> None:
    splits: tuple[Split, ...] = ("train", "val", "test")
    draws = [IconEpisodes(0, 1, split).draw(torch.arange(2)) for split in splits]
    assert not torch.equal(draws[0].batch.query_images, draws[1].batch.query_images)
    assert draws[2].batch.class_names[0] in IconEpisodes(0, 1, "test").class_names


def test_impossible_episodes_are_refused() -> None:
    with pytest.raises(ConfigError, match="no fold 4"):
        IconEpisodes(4, 1, "test")
    with pytest.raises(ConfigError, match="at least one shot"):
        IconEpisodes(0, 0, "test")
