"""The classes of the embedded data set, their folds and their sprites."""

from __future__ import annotations

from cdpnet.data.icons.glyphs import N_FOLDS, fold_of_class, nouns, sprites


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
