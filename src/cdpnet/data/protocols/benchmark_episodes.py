"""Episodes of a benchmark on disk, under a protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from cdpnet.data.protocols.disk import DataOnDisk, part_of
from cdpnet.data.protocols.sampling import EpisodeImages, drawable, row
from cdpnet.data.source import DrawnEpisodes, EpisodeRules, EpisodeSource, TrainingEpisodes
from cdpnet.data.transforms import cropped, fitted, resized
from cdpnet.episode import NO_NAME, EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.io.images import read_image
from cdpnet.runtime.constants import IGNORE_INDEX, UNLABELLED
from cdpnet.runtime.rng import keys, uniform

HSNET_SIDE = 400  # pixels
PFENET_SIDE = {"coco": 641}  # pixels of the longer side; 473 elsewhere
_CROP_STREAM, _NAME_STREAM = 41, 42
_SAYS = {
    "cdpnet": "cdpnet: classes take turns, queries and distinct supports uniform over the images of a class that "
    "show at least 0.5 % of it",
    "ssp": "ssp: SSP's list, as four workers of its loader draw it",
    "hsnet": "hsnet: HSNet's list, images at 400 x 400",
    "pfenet": "pfenet: queries in the order of the list, the longer side at {side} pixels",
}


@dataclass(frozen=True)
class BenchmarkEpisodes(EpisodeSource):
    """Episodes of an open benchmark.

    Training's images are random crops (hsnet: whole, 400 x 400). Tests show what the protocol shows: native size,
    one episode at a time, or one size for all. ``wrong`` names a class by another one of the data set.
    """

    data: DataOnDisk = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data.classes(self.split, self.fold)
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
        """Classes asked for in one query; training asks for one."""
        return 1 if self.split == "train" else self.data.config.ways

    @property
    def stackable(self) -> bool:
        """Whether all images, and all spaces to score in, have one size."""
        return self.split == "train" or self.data.resizes

    @property
    def classes_scored(self) -> Tensor | None:
        """All classes of the fold, where one that is never drawn counts as 0."""
        if not self.data.unseen_is_zero:
            return None
        return torch.tensor(self.data.classes(self.split, self.fold)) - 1

    def row(self, index: int) -> EpisodeImages:
        """The images of an episode."""
        pool, sampler = self.data.pool(self.split, self.fold), self.data.sampler(self.split)
        return row(sampler, pool, self.shots, self.ways, self.seed, index)

    def draw(self, index: Tensor) -> DrawnEpisodes:
        """The episodes of these numbers, (B,) int64, with B * ways rows; one at a time where sizes differ."""
        if len(index) > 1 and not self.stackable:
            raise ValueError("Episodes of images of several sizes are drawn one at a time.")
        episodes = [self._episode(number) for number in index.tolist()]
        first = episodes[0]
        return DrawnEpisodes(
            _stacked([episode.batch for episode in episodes]),
            torch.cat([episode.query_masks for episode in episodes]),
            torch.cat([episode.class_ids for episode in episodes]),
            first.shown,
            first.separate_shots,
            None if first.labels is None else torch.cat([e.labels for e in episodes if e.labels is not None]),
        )

    def classes_in_query(self, index: Tensor) -> list[frozenset[int]]:
        """Ids of all classes that have a pixel in the query of each of these episodes, asked for or not."""
        queries = [self.row(number).query for number in index.tolist()]
        labels = [self.data.reader.labels(part_of(self.split), query) for query in queries]
        return [frozenset(int(number) - 1 for number in np.unique(shown) if number > 0) for shown in labels]

    def list_lines(self, count: int) -> Iterator[str]:
        """The first episodes, one line each: class from 0, query, supports."""
        return (self.row(index).line() for index in range(count))

    def rules(self) -> EpisodeRules:
        """All that must be said beside a figure."""
        data, protocol = self.data, self.data.config.protocol
        pool = data.pool(self.split, self.fold)
        left_out = sorted(set(pool.classes) - set(drawable(pool, self.shots)))
        return EpisodeRules(
            data=data.config.data,
            protocol=_SAYS[protocol].format(side=self._pfenet_side),
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
            evaluation_space=f"{HSNET_SIDE} x {HSNET_SIDE} pixels" if data.resizes else "native",
            unseen_class="left out of the mean" if self.classes_scored is None else "counts as 0",
            classes_without_episodes=tuple(self.class_names[number - 1] for number in left_out),
            images_broken=len(data.index(part_of(self.split)).broken) if not data.uses_lists else None,
        )

    def settings(self) -> TrainingEpisodes:
        """What makes a training on these episodes what it is."""
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
            crop=HSNET_SIDE if config.protocol == "hsnet" else config.crop,
            classes=self._vocabulary,
            images=self.list_sha256(100),
        )

    @property
    def _pfenet_side(self) -> int:
        return PFENET_SIDE.get(self.data.config.data, 473)

    def _episode(self, index: int) -> DrawnEpisodes:
        """One episode, with a row for each way."""
        chosen = self.row(index)
        u = uniform(keys(self.seed, torch.tensor([index]), _CROP_STREAM), 3 * (1 + self.shots))[0].reshape(-1, 3)
        query, query_labels, shown = self._image(chosen.query, u[0].tolist(), is_query=True)
        supports = [
            [self._image(image, x, is_query=False)[:2] for image, x in zip(images, u[1:].tolist(), strict=True)]
            for images in chosen.supports
        ]
        masks = torch.stack([_mask(query_labels, number) for number in chosen.classes])
        names = tuple(self._called(index, number) for number in chosen.classes)
        queries = query.expand(self.ways, *query.shape)
        batch, apart = _with_supports(queries, self._masked(chosen, supports), names)
        drawn = DrawnEpisodes(batch, masks, torch.tensor(chosen.classes) - 1, shown, apart)
        if self.split != "train":
            return drawn
        labels = torch.stack([*(shot for _, shot in supports[0]), query_labels])[None]
        named = replace(batch, vocabulary=self._vocabulary)
        return drawn._replace(batch=named, labels=self._in_vocabulary(labels))

    def _image(
        self, identifier: str, u: list[float], *, is_query: bool
    ) -> tuple[Tensor, Tensor, tuple[int, int] | None]:
        """An image as the protocol shows it, its labels, of a query as they are scored, and what is not padding."""
        part, protocol = part_of(self.split), self.data.config.protocol
        image = read_image(self.data.reader.image(part, identifier))
        labels = torch.from_numpy(self.data.reader.labels(part, identifier))
        if protocol == "hsnet":
            small, small_labels = resized(image, labels, (HSNET_SIDE, HSNET_SIDE))
            scored_small = self.data.resizes or self.split == "train" or not is_query
            return small, small_labels if scored_small else labels, None
        if self.split == "train":
            return (*cropped(image, labels, self.data.config.crop, u), None)
        if protocol == "pfenet":
            frame, frame_labels, shown = fitted(image, labels, self._pfenet_side)
            return frame, labels if is_query else frame_labels, shown
        return image, labels, None

    def _masked(
        self, chosen: EpisodeImages, supports: list[list[tuple[Tensor, Tensor]]]
    ) -> list[list[tuple[Tensor, Tensor]]]:
        """Supports with masks of their class instead of labels; in HSNet's tests nothing of a support is ignored."""
        ignores = self.data.config.protocol != "hsnet" or self.split == "train"
        return [
            [(image, _mask(labels, number, ignores=ignores)) for image, labels in shots]
            for number, shots in zip(chosen.classes, supports, strict=True)
        ]

    @property
    def _vocabulary(self) -> tuple[str, ...]:
        """The names of the classes that training may know."""
        return tuple(self.class_names[number - 1] for number in self.data.classes("train", self.fold))

    def _in_vocabulary(self, labels: Tensor) -> Tensor:
        """Class numbers -> numbers of names, any shape; what is no class of training is background."""
        base = self.data.classes("train", self.fold)
        table = torch.full((len(self.class_names) + 2,), len(base), dtype=torch.int16)
        table[torch.tensor(base)] = torch.arange(len(base), dtype=torch.int16)
        table[UNLABELLED] = -1
        return table[labels.long()]

    def _called(self, index: int, number: int) -> str:
        """What a class is called in an episode, at the level of `names`."""
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


def _mask(labels: Tensor, number: int, *, ignores: bool = True) -> Tensor:
    """Labels (H, W) -> the mask of a class, uint8; unlabelled pixels are ignored, or background."""
    mask = (labels == number).to(torch.uint8)
    if ignores:
        mask[labels == UNLABELLED] = IGNORE_INDEX
    return mask


def _with_supports(
    queries: Tensor, supports: list[list[tuple[Tensor, Tensor]]], names: tuple[str, ...]
) -> tuple[EpisodeBatch, tuple[tuple[EpisodeBatch, ...], ...]]:
    """The rows as one batch, and, where supports differ in size, every shot of every row as a batch of its own.

    queries (ways, 3, H, W); supports: of each way K images (3, H, W) with masks (H, W).
    """
    size = tuple(supports[0][0][1].shape)
    apart: tuple[tuple[EpisodeBatch, ...], ...] = ()
    if any(tuple(mask.shape) != size for shots in supports for _, mask in shots):
        apart = tuple(
            tuple(EpisodeBatch(p[None, None], m[None, None], queries[:1], (name,)) for p, m in shots)
            for shots, name in zip(supports, names, strict=True)
        )
        supports = [[resized(p, m, (size[0], size[1])) for p, m in shots] for shots in supports]
    images = torch.stack([torch.stack([image for image, _ in shots]) for shots in supports])
    masks = torch.stack([torch.stack([mask for _, mask in shots]) for shots in supports])
    return EpisodeBatch(images, masks, queries, names), apart


def _stacked(batches: list[EpisodeBatch]) -> EpisodeBatch:
    """Episodes of one size as one batch."""
    return EpisodeBatch(
        torch.cat([batch.support_images for batch in batches]),
        torch.cat([batch.support_masks for batch in batches]),
        torch.cat([batch.query_images for batch in batches]),
        tuple(name for batch in batches for name in batch.class_names),
        batches[0].vocabulary,
    )
