"""Episodes of a data set on disk under a protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.protocol import PreparedImage
from cdpnet.data.protocols.sampling import EpisodeImages, classes_with_enough_images, draw_episode
from cdpnet.data.source import DrawnEpisodes, EpisodeRules, EpisodeSource, TrainingEpisodes
from cdpnet.data.transforms import resize_with_labels
from cdpnet.episode import NO_NAME, EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.io.image_tensors import read_image
from cdpnet.runtime.constants import IGNORE_INDEX, UNLABELLED
from cdpnet.runtime.rng import keys, uniform

_CROP_STREAM, _NAME_STREAM = 41, 42


@dataclass(frozen=True)
class BenchmarkEpisodes(EpisodeSource):
    """Episodes of a data set on disk; its protocol says which are drawn, how images are prepared and queries scored.

    Where images keep their native size, episodes are drawn one at a time. The level of names ``wrong`` names a class by
    another class of the data set. ConfigError where names need categories and the data set has none.
    """

    data: DataOnDisk = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data.classes(self.split, self.fold)  # raises for a fold that does not exist
        if self.names == "category" or self.category_share:
            self._categories()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, by class id from 0."""
        return self.data.reader.class_names

    @property
    def novel_names(self) -> tuple[str, ...]:
        """Names of the fold's novel classes."""
        return tuple(self.class_names[number - 1] for number in self.data.classes("test", self.fold))

    @property
    def ways(self) -> int:
        """Number of classes asked for in one query; training asks for one."""
        return 1 if self.split == "train" else self.data.config.ways

    @property
    def stackable(self) -> bool:
        """Whether all images have one size and all queries are scored at one size."""
        return self.split == "train" or self.data.scoring_side is not None

    @property
    def classes_scored(self) -> Tensor | None:
        """All classes of the fold where one that is never asked for counts as 0; None otherwise."""
        if not self.data.unseen_is_zero:
            return None
        return torch.tensor(self.data.classes(self.split, self.fold)) - 1

    @property
    def data_sha256(self) -> str:
        """A hash of the images and labels; empty for list files, for which not all of them are read."""
        return "" if self.data.uses_lists else self.data.index(self.data.image_set(self.split)).content

    @property
    def _evaluation_space(self) -> str:
        side = self.data.scoring_side
        return "native" if side is None else f"{side} x {side} pixels"

    def images(self, index: int) -> EpisodeImages:
        """The images of an episode. DataError where the data set has too few."""
        pool, sampler = self.data.pool(self.split, self.fold), self.data.protocol.sampler(self.split)
        return draw_episode(sampler, pool, self.shots, self.ways, self.seed, index)

    def draw(self, index: Tensor) -> DrawnEpisodes:
        """The episodes of these numbers, (B,) int64, as a batch of B * ways rows; B is 1 where sizes differ."""
        if len(index) > 1 and not self.stackable:
            raise ValueError("Episodes of images of several sizes are drawn one at a time.")
        episodes = [self._draw_one(number) for number in index.tolist()]
        first = episodes[0]
        return DrawnEpisodes(
            _stack_batches([episode.batch for episode in episodes]),
            torch.cat([episode.query_masks for episode in episodes]),
            torch.cat([episode.class_ids for episode in episodes]),
            first.unpadded_size,
            first.separate_shots,
            None if first.labels is None else torch.cat([e.labels for e in episodes if e.labels is not None]),
        )

    def classes_in_query(self, index: Tensor) -> list[frozenset[int]]:
        """Ids of all classes that have a pixel in the query of each of these episodes, asked for or not."""
        queries = [self.images(number).query for number in index.tolist()]
        labels = [self.data.reader.labels(self.data.image_set(self.split), query) for query in queries]
        return [frozenset(int(number) - 1 for number in np.unique(query) if number > 0) for query in labels]

    def list_lines(self, count: int) -> Iterator[str]:
        """The first ``count`` episodes, one line each: class from 0, query, supports."""
        return (self.images(index).to_line() for index in range(count))

    def rules(self) -> EpisodeRules:
        """Everything about these episodes that is stated with a result."""
        data = self.data
        pool = data.pool(self.split, self.fold)
        left_out = sorted(set(pool.classes) - set(classes_with_enough_images(pool, self.shots)))
        return EpisodeRules(
            data=data.config.data,
            protocol=data.protocol.description,
            split=self.split,
            fold=self.fold,
            fold_convention=data.fold_convention,
            shots=self.shots,
            ways=self.ways,
            names=self.names,
            edition=data.reader.edition if not data.uses_lists else "",
            list_from="the files in --splits" if data.uses_lists else "our own, made from the labels",
            classes_from="the files in --splits" if data.config.data == "fss" and data.config.splits else "our folds",
            images_shared_with_training=data.shares_images,
            evaluation_space=self._evaluation_space,
            unseen_class="left out of the mean" if self.classes_scored is None else "counts as 0",
            classes_without_episodes=tuple(self.class_names[number - 1] for number in left_out),
            images_broken=len(data.index(data.image_set(self.split)).broken) if not data.uses_lists else None,
            data_sha256=self.data_sha256,
            names_sha256=data.names_sha256,
        )

    def settings(self) -> TrainingEpisodes:
        """These episodes as the record of a checkpoint that is trained on them states them."""
        config = self.data.config
        return TrainingEpisodes(
            data=config.data,
            fold=self.fold,
            fold_convention=self.data.fold_convention,
            shots=self.shots,
            seed=self.seed,
            names=self.names,
            category_share=self.category_share,
            novel_in_train=self.data.novel_in_train,
            protocol=config.protocol,
            crop=self.data.protocol.training_side(config.crop),
            classes=self._vocabulary,
            images=self.list_sha256(100),
            data_sha256=self.data_sha256,
            longest_side=config.longest_side,
            evaluation_space=self._evaluation_space,
        )

    def _draw_one(self, index: int) -> DrawnEpisodes:
        """One episode, with a row for each way."""
        chosen = self.images(index)
        n, key = self.data.protocol.n_random, keys(self.seed, torch.tensor([index]), _CROP_STREAM)
        u = uniform(key, n * (1 + self.shots))[0].reshape(-1, n).tolist()
        query = self._prepare(chosen.query, chosen.classes[0], u[0], is_query=True)
        supports = [
            [self._prepare(image, number, x, is_query=False) for image, x in zip(images, u[1:], strict=True)]
            for number, images in zip(chosen.classes, chosen.supports, strict=True)
        ]
        masks = torch.stack([_mask_of_class(query.labels, number) for number in chosen.classes])
        names = tuple(self._name_of(index, number) for number in chosen.classes)
        queries = query.image.expand(self.ways, *query.image.shape)
        batch, separate_shots = _build_batch(queries, self._with_masks(chosen, supports), names)
        drawn = DrawnEpisodes(batch, masks, torch.tensor(chosen.classes) - 1, query.unpadded_size, separate_shots)
        if self.split != "train":
            return drawn
        labels = torch.stack([*(support.labels for support in supports[0]), query.labels])[None]
        return drawn._replace(
            batch=replace(batch, vocabulary=self._vocabulary), labels=self._positions_in_vocabulary(labels)
        )

    def _prepare(self, identifier: str, wanted: int, u: list[float], *, is_query: bool) -> PreparedImage:
        """An image and its labels as the protocol prepares them; of a test query, the labels that are scored."""
        image_set, protocol = self.data.image_set(self.split), self.data.protocol
        image = read_image(self.data.reader.image_path(image_set, identifier))
        labels = torch.from_numpy(self.data.reader.labels(image_set, identifier))
        if self.split == "train":
            return protocol.prepare_training(image, labels, self.data.config.crop, wanted, u)
        prepared = protocol.prepare_test(image, labels)
        return prepared._replace(labels=labels) if is_query and self.data.scoring_side is None else prepared

    def _with_masks(
        self, chosen: EpisodeImages, supports: list[list[PreparedImage]]
    ) -> list[list[tuple[Tensor, Tensor]]]:
        """Of each way the K supports (3, H, W), each with the mask (H, W) of the class asked for."""
        ignores = self.split == "train" or self.data.protocol.ignores_unlabelled_in_supports
        return [
            [(support.image, _mask_of_class(support.labels, number, ignores=ignores)) for support in shots]
            for number, shots in zip(chosen.classes, supports, strict=True)
        ]

    @property
    def _vocabulary(self) -> tuple[str, ...]:
        """The names of the base classes, in the order of their numbers."""
        return tuple(self.class_names[number - 1] for number in self.data.classes("train", self.fold))

    def _positions_in_vocabulary(self, labels: Tensor) -> Tensor:
        """Class numbers -> positions in the vocabulary, any shape.

        Novel classes become background, which has the position after the last name; unlabelled pixels become -1.
        """
        base = self.data.classes("train", self.fold)
        table = torch.full((len(self.class_names) + 2,), len(base), dtype=torch.int16)
        table[torch.tensor(base)] = torch.arange(len(base), dtype=torch.int16)
        table[UNLABELLED] = -1
        return table[labels.long()]

    def _name_of(self, index: int, number: int) -> str:
        """The name of a class in an episode, at the level of `names`."""
        own = self.class_names[number - 1]
        if self.names == "none":
            return NO_NAME
        if self.names == "category":
            return self._categories()[number - 1]
        u = uniform(keys(self.seed, torch.tensor([index]), _NAME_STREAM), 2)[0].tolist()
        if self.names == "wrong":
            others = [name for name in self.class_names if name != own]
            return others[int(u[0] * len(others))]
        return self._categories()[number - 1] if u[1] < self.category_share else own

    def _categories(self) -> tuple[str, ...]:
        categories = self.data.reader.categories
        if categories is None:
            raise ConfigError(
                f"The classes of {self.data.config.data} have no categories here; use names exact, none or wrong, and "
                "a category_share of 0."
            )
        return categories


def _mask_of_class(labels: Tensor, number: int, *, ignores: bool = True) -> Tensor:
    """Labels (H, W) -> the mask of a class, uint8; unlabelled pixels become 255, or background without ``ignores``."""
    mask = (labels == number).to(torch.uint8)
    if ignores:
        mask[labels == UNLABELLED] = IGNORE_INDEX
    return mask


def _build_batch(
    queries: Tensor, supports: list[list[tuple[Tensor, Tensor]]], names: tuple[str, ...]
) -> tuple[EpisodeBatch, tuple[tuple[EpisodeBatch, ...], ...]]:
    """All rows as one batch, and, where supports differ in size, every shot of every row as a batch of its own.

    queries (ways, 3, H, W). supports: of each way K images (3, H, W) with masks (H, W).
    """
    size = tuple(supports[0][0][1].shape)
    separate_shots: tuple[tuple[EpisodeBatch, ...], ...] = ()
    if any(tuple(mask.shape) != size for shots in supports for _, mask in shots):
        separate_shots = tuple(
            tuple(EpisodeBatch(p[None, None], m[None, None], queries[:1], (name,)) for p, m in shots)
            for shots, name in zip(supports, names, strict=True)
        )
        supports = [[resize_with_labels(p, m, (size[0], size[1])) for p, m in shots] for shots in supports]
    images = torch.stack([torch.stack([image for image, _ in shots]) for shots in supports])
    masks = torch.stack([torch.stack([mask for _, mask in shots]) for shots in supports])
    return EpisodeBatch(images, masks, queries, names), separate_shots


def _stack_batches(batches: list[EpisodeBatch]) -> EpisodeBatch:
    """Batches of images of one size as one batch."""
    return EpisodeBatch(
        torch.cat([batch.support_images for batch in batches]),
        torch.cat([batch.support_masks for batch in batches]),
        torch.cat([batch.query_images for batch in batches]),
        tuple(name for batch in batches for name in batch.class_names),
        batches[0].vocabulary,
    )
