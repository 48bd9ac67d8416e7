"""Episodes of the embedded data: independent of workers and batches, named at several levels, listed by a hash."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
import torch

from cdpnet.data.config import Split
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.glyphs import FAMILIES, N_FOLDS, fold_of_class, nouns, sprites
from cdpnet.data.icons.scenes import SceneLayout, Scenes, compose
from cdpnet.data.loader import batches
from cdpnet.errors import ConfigError

SMALL = SceneLayout(size=40)


def digest(episodes: IconEpisodes, workers: int, batch: int, count: int = 128) -> str:
    """A hash of all pixels, masks, names and classes of the first episodes."""
    total = hashlib.sha256()
    for drawn in batches(episodes, torch.split(torch.arange(count), batch), workers):
        shown = drawn.batch
        for i, name in enumerate(shown.class_names):
            for tensor in (shown.support_images, shown.support_masks, shown.query_images, drawn.query_masks):
                total.update(tensor[i].numpy().tobytes())
            total.update(f"{name} {int(drawn.class_ids[i])}".encode())
    return total.hexdigest()


def test_the_same_episodes_for_any_number_of_workers() -> None:
    episodes = IconEpisodes(0, 1, "test", layout=SMALL)
    alone = digest(episodes, workers=0, batch=8)
    assert digest(episodes, workers=2, batch=25) == alone
    other = dataclasses.replace(episodes, seed=1)
    assert digest(other, workers=0, batch=8, count=8) != digest(episodes, workers=0, batch=8, count=8)


def test_episodes_do_not_depend_on_how_they_are_batched() -> None:
    source = IconEpisodes(1, 2, "test", seed=3, layout=SMALL)
    whole = source.draw(torch.arange(10))
    parts = [source.draw(rows) for rows in torch.split(torch.arange(10), 3)]
    digest = [hashlib.sha256(), hashlib.sha256()]
    for sum_, draws in zip(digest, ([whole], parts), strict=True):
        for name in ("support_images", "support_masks", "query_images"):
            sum_.update(torch.cat([getattr(d.batch, name) for d in draws]).numpy().tobytes())
        sum_.update(torch.cat([d.query_masks for d in draws]).numpy().tobytes())
    assert digest[0].hexdigest() == digest[1].hexdigest()


def test_names_at_every_level() -> None:
    index = torch.arange(60)
    exact = IconEpisodes(1, 1, "test", layout=SMALL)
    drawn = exact.draw(index)
    classes = [nouns()[i] for i in drawn.class_ids.tolist()]
    assert drawn.batch.class_names == tuple(noun.name for noun in classes)
    by_category = dataclasses.replace(exact, names="category").draw(index)
    assert by_category.batch.class_names == tuple(noun.category for noun in classes)
    assert set(dataclasses.replace(exact, names="none").draw(index).batch.class_names) == {""}
    wrong = dataclasses.replace(exact, names="wrong").draw(index).batch.class_names
    of_name = {noun.name: noun.category for noun in nouns()}
    assert all(of_name[name] != noun.category for name, noun in zip(wrong, classes, strict=True))
    assert len(set(wrong)) > 20
    assert torch.equal(by_category.query_masks, drawn.query_masks)  # only the names differ
    assert torch.equal(by_category.batch.query_images, drawn.batch.query_images)


def test_a_share_of_the_names_is_the_category() -> None:
    index = torch.arange(200)
    mixed = IconEpisodes(1, 1, "train", layout=SceneLayout(size=8, smallest_target=0), category_share=0.3).draw(index)
    rows = zip(mixed.batch.class_names, mixed.class_ids.tolist(), strict=True)
    general = sum(name == nouns()[i].category != nouns()[i].name for name, i in rows)
    assert 30 < general < 95


def test_training_names_every_pixel_and_tests_name_none() -> None:
    drawn = IconEpisodes(1, 2, "train", layout=SMALL).draw(torch.arange(12))
    assert drawn.labels is not None
    vocabulary = drawn.batch.vocabulary
    folds = {noun.name: fold for noun, fold in zip(nouns(), fold_of_class(), strict=True)}
    assert 1 not in {folds[name] for name in vocabulary}
    masks = torch.cat((drawn.batch.support_masks, drawn.query_masks[:, None]), dim=1)
    for i, name in enumerate(drawn.batch.class_names):
        assert torch.equal(drawn.labels[i] == vocabulary.index(name), masks[i] == 1)
    present = set(drawn.labels.flatten().tolist())
    assert len(vocabulary) in present  # the background
    assert len(present) > 20
    for split in ("val", "test"):
        other = IconEpisodes(1, 1, split, layout=SMALL).draw(torch.arange(1))
        assert other.labels is None
        assert other.batch.vocabulary == ()


def test_the_list_is_hashed_without_rendering() -> None:
    episodes = IconEpisodes(0, 5, "test")
    first = episodes.list_sha256(100)
    assert first == IconEpisodes(0, 5, "test", names="none").list_sha256(100)
    changes: list[dict[str, int]] = [{"seed": 1}, {"fold": 1}, {"shots": 1}]
    others = [dataclasses.replace(episodes, **change).list_sha256(100) for change in changes]  # type: ignore[arg-type]
    assert len({first, *others, episodes.list_sha256(99)}) == 5


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
    drawn = IconEpisodes(0, 2, "test", layout=SMALL).draw(torch.arange(64))
    family = sprites().family[seen[0]].reshape(64, 3)
    assert torch.equal(sprites().class_id[seen[0]].reshape(64, 3), drawn.class_ids[:, None].expand(64, 3))
    assert (family[:, 0] == family[:, 1]).all()
    assert (family[:, 0] != family[:, 2]).all()
    assert set(family.flatten().tolist()) == set(range(len(FAMILIES)))


def test_splits_show_different_scenes() -> None:
    splits: tuple[Split, ...] = ("train", "val", "test")
    draws = [IconEpisodes(0, 1, split, layout=SMALL).draw(torch.arange(2)) for split in splits]
    assert not torch.equal(draws[0].batch.query_images, draws[1].batch.query_images)
    assert draws[2].batch.class_names[0] in IconEpisodes(0, 1, "test").class_names


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="no fold 4"):
        IconEpisodes(4, 1, "test")
    with pytest.raises(ConfigError, match="at least one shot"):
        IconEpisodes(0, 0, "test")
    with pytest.raises(ConfigError, match="exact, category, none, wrong"):
        IconEpisodes(0, 1, "test", names="latin")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="share from 0 to 1"):
        IconEpisodes(0, 1, "test", category_share=2)
