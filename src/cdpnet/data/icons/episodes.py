"""Episodes of the embedded data set: four folds of classes, each episode a pure function of (seed, index)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from cdpnet.data.icons.glyphs import FAMILIES, N_FOLDS, fold_of_class, nouns, sprites
from cdpnet.data.icons.scenes import SceneLayout, Scenes, compose
from cdpnet.data.protocols.folds import ALL_FOLDS
from cdpnet.data.source import DrawnEpisodes, EpisodeRules, EpisodeSource, TrainingEpisodes
from cdpnet.episode import NO_NAME, EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.runtime.rng import keys, pick, uniform

_CHOICE_STREAM, _SCENE_STREAM, _NAME_STREAM = 11, 12, 13


class ChosenScenes(NamedTuple):
    """The scenes of B episodes: class ids (B,), target glyphs and scene numbers (B, K + 1), the query's last."""

    class_ids: Tensor
    glyphs: Tensor
    scenes: Tensor


@dataclass(frozen=True)
class IconEpisodes(EpisodeSource):
    """Episodes of the embedded data set.

    split ``train``: base classes, and no object of a novel class in any image (``novel_in_train = drop``). ``val``:
    base classes in other scenes. ``test``: the novel classes of the fold, among distractors of all classes. Where a
    class has glyphs of several families, supports and query show different families, so that their shapes differ.

    names: ``exact`` ("guitar"), ``category`` ("musical instrument"), ``none``, or ``wrong``: the exact name of a class
    of another category. ConfigError for a fold that does not exist.
    """

    layout: SceneLayout = field(default_factory=SceneLayout)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.fold < N_FOLDS:
            fold = "all" if self.fold == ALL_FOLDS else self.fold
            raise ConfigError(f"There is no fold {fold}; the icons have folds 0 to {N_FOLDS - 1}.")

    @property
    def class_ids(self) -> Tensor:
        """The classes that this split asks for, (n,) int64."""
        novel = torch.tensor([fold == self.fold for fold in fold_of_class()])
        several = torch.tensor([fold is not None for fold in fold_of_class()])
        wanted = novel if self.split == "test" else ~novel if self.split == "train" else ~novel & several
        return wanted.nonzero().flatten()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, by class id."""
        return tuple(noun.name for noun in nouns())

    @property
    def novel_names(self) -> tuple[str, ...]:
        """Names of the fold's novel classes."""
        return tuple(noun.name for noun, fold in zip(nouns(), fold_of_class(), strict=True) if fold == self.fold)

    def draw(self, index: Tensor) -> DrawnEpisodes:
        """The episodes of these numbers, (B,) int64; a batch equals its episodes drawn one by one."""
        class_ids, glyphs, numbers = self.choose(index)
        count, images_each = glyphs.shape
        scenes = self._compose_scenes(numbers, glyphs)
        side = self.layout.size
        images = (scenes.images * 255).round().to(torch.uint8).reshape(count, images_each, 3, side, side)
        masks = (scenes.labels == (class_ids.repeat_interleave(images_each) + 1)[:, None, None]).to(torch.uint8)
        masks = masks.reshape(count, images_each, side, side)
        batch = EpisodeBatch(images[:, :-1], masks[:, :-1], images[:, -1], self._names_of(index, class_ids))
        if self.split != "train":
            return DrawnEpisodes(batch, masks[:, -1], class_ids)
        named = dataclasses.replace(batch, vocabulary=tuple(self.class_names[i] for i in self.class_ids.tolist()))
        labels = self._positions_in_vocabulary(scenes.labels).reshape(count, images_each, side, side)
        return DrawnEpisodes(named, masks[:, -1], class_ids, labels=labels)

    def classes_in_query(self, index: Tensor) -> list[frozenset[int]]:
        """Ids of all classes that have a pixel in the query of each of these episodes, asked for or not."""
        _, glyphs, numbers = self.choose(index)
        labels = self._compose_scenes(numbers[:, -1:], glyphs[:, -1:]).labels
        return [frozenset((query.unique() - 1).tolist()) - {-1} for query in labels]

    def choose(self, index: Tensor) -> ChosenScenes:
        """The scenes of these episodes, (B,) int64, chosen but not rendered."""
        images_each = self.shots + 1
        u = uniform(keys(self._stream_seed, index, _CHOICE_STREAM), 3 + images_each)
        class_ids = self.class_ids[pick(u[:, 0], len(self.class_ids))]
        families = _families()[class_ids]  # (B, 4), the families of each class first, then -1
        n_families = (families >= 0).sum(dim=1)
        query_rank = pick(u[:, 1], n_families)
        support_rank = (query_rank + 1 + pick(u[:, 2], (n_families - 1).clamp(min=1))) % n_families
        ranks = torch.stack([support_rank] * self.shots + [query_rank], dim=1)
        glyphs = _choose_glyphs(class_ids[:, None].expand_as(ranks), families.gather(1, ranks), u[:, 3:])
        return ChosenScenes(class_ids, glyphs, index[:, None] * images_each + torch.arange(images_each))

    def _compose_scenes(self, numbers: Tensor, glyphs: Tensor) -> Scenes:
        """The scenes of these numbers with these target glyphs, both of the same shape, flattened."""
        return compose(
            self._stream_seed, numbers.flatten(), glyphs.flatten(), self._distractors(), self.layout, _SCENE_STREAM
        )

    def list_lines(self, count: int) -> Iterator[str]:
        """The first ``count`` episodes, one line each: class, then scene:glyph of the query and of every support."""
        columns = (values.tolist() for values in self.choose(torch.arange(count)))
        for class_id, glyphs, scenes in zip(*columns, strict=True):
            images = [f"{scene}:{glyph}" for scene, glyph in zip(scenes, glyphs, strict=True)]
            yield " ".join([str(class_id), images[-1], *images[:-1]])

    def rules(self) -> EpisodeRules:
        """Everything about these episodes that is stated with a result."""
        return EpisodeRules(
            data="icons",
            protocol="icons: classes uniform over the split, supports and query drawn in different families",
            split=self.split,
            fold=self.fold,
            fold_convention="classes of two or more families, dealt out by the SHA-256 of their names",
            shots=self.shots,
            names=self.names,
            evaluation_space=f"native, {self.layout.size} x {self.layout.size} pixels",
            unseen_class="left out of the mean",
        )

    def settings(self) -> TrainingEpisodes:
        """These episodes as the record of a checkpoint that is trained on them states them."""
        return TrainingEpisodes(
            data="icons",
            fold=self.fold,
            shots=self.shots,
            seed=self.seed,
            names=self.names,
            category_share=self.category_share,
            novel_in_train="drop",
            classes=tuple(name for name in self.class_names if name not in self.novel_names),
            layout=self.layout,
        )

    @property
    def _stream_seed(self) -> int:
        return self.seed * 3 + ("train", "val", "test").index(self.split)

    def _names_of(self, index: Tensor, class_ids: Tensor) -> tuple[str, ...]:
        """The name of each class in these episodes, at the level of `names`."""
        table = nouns()
        if self.names == "none":
            return (NO_NAME,) * len(index)
        if self.names == "category":
            return tuple(table[i].category for i in class_ids.tolist())
        u = uniform(keys(self._stream_seed, index, _NAME_STREAM), 2)
        if self.names == "wrong":
            return tuple(_choose_wrong_name(i, x) for i, x in zip(class_ids.tolist(), u[:, 0].tolist(), strict=True))
        uses_category = (u[:, 1] < self.category_share).tolist()
        return tuple(
            table[i].category if category else table[i].name
            for i, category in zip(class_ids.tolist(), uses_category, strict=True)
        )

    def _positions_in_vocabulary(self, labels: Tensor) -> Tensor:
        """Labels of scenes -> positions in the vocabulary, any shape; background: the position after the last name."""
        table = torch.full((len(self.class_names) + 1,), len(self.class_ids), dtype=torch.int16)
        table[self.class_ids + 1] = torch.arange(len(self.class_ids), dtype=torch.int16)
        return table[labels]

    def _distractors(self) -> Tensor:
        """The glyphs that distractors are chosen from: (D,) int64."""
        if self.split == "test":
            return torch.arange(len(sprites().class_id))
        base = torch.tensor([fold != self.fold for fold in fold_of_class()])
        return base[sprites().class_id].nonzero().flatten()


def _choose_wrong_name(class_id: int, u: float) -> str:
    """The exact name of a class of another category, chosen by u in 0..1."""
    others = [noun.name for noun in nouns() if noun.category != nouns()[class_id].category]
    return others[int(u * len(others))]


def _families() -> Tensor:
    """The families of every class in order, padded with -1: (classes, 4) int64."""
    rows = [[FAMILIES.index(f) for f in noun.families] for noun in nouns()]
    return torch.tensor([row + [-1] * (len(FAMILIES) - len(row)) for row in rows])


def _choose_glyphs(class_ids: Tensor, families: Tensor, u: Tensor) -> Tensor:
    """A glyph, filled or outlined, for each class and family: three tensors (B, n) -> (B, n)."""
    table = sprites()
    fits = (table.class_id == class_ids[..., None]) & (table.family == families[..., None])  # (B, n, G)
    rank = pick(u, fits.sum(dim=-1))
    return torch.searchsorted(fits.cumsum(dim=-1).contiguous(), (rank + 1)[..., None])[..., 0]
