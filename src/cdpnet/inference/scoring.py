"""Scores of classes in images: encode, match, refine; large images in tiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import QueryPrecision
from cdpnet.inference.class_batch import ClassBatch
from cdpnet.inference.preprocessing import PreprocessedImage, resize_to
from cdpnet.inference.refinement import refine_edges
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.tiling import Corner, TileBlend, crop_tile, tile_corners
from cdpnet.network.decision import is_absent, log_odds
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.presence import presence_probability, presence_statistic
from cdpnet.runtime.devices import autocast

IMAGES_AT_ONCE = 8  # images of one size in an encoder pass
_MAX_FEATURES = 2**24  # numbers in the fused features of all classes matched at a time, 64 MiB


class Scores(NamedTuple):
    """Of one image and n classes, on the CPU: log-odds (n, h, w), and the probability of presence (n,)."""

    log_odds: Tensor
    presence: Tensor


@dataclass(frozen=True)
class Scoring:
    """How images are scored. longest_side: in pixels, of an image in one piece. The others are those of `Segmenter`."""

    network: PrototypeNetwork
    longest_side: int
    precision: QueryPrecision
    refine: bool

    def encode(self, image: Tensor) -> Tensor | None:
        """Features F (C, h', w') of an image (3, h, w); None for one in tiles."""
        if max(image.shape[-2:]) > self.longest_side:
            return None
        device = next(self.network.parameters()).device
        with autocast("bfloat16" if self.precision == "bfloat16" else "float32", device):
            features: Tensor = self.network.image.features(image[None].to(device))[0]
            return features

    def score(
        self, images: Sequence[Tensor], classes: ClassBatch, encoded: Sequence[Tensor] | None = None
    ) -> list[Scores]:
        """Scores of images (3, h, w) of one working size. encoded: the features F (C, h', w') of each, if known."""
        if max(images[0].shape[-2:]) > self.longest_side:
            return [self._score_tiles(image, classes) for image in images]
        device = next(self.network.parameters()).device
        stacked = torch.stack(list(images)).to(device)
        with autocast("bfloat16" if self.precision == "bfloat16" else "float32", device):
            features = self.network.image.features(stacked) if encoded is None else encoded
            pairs = zip(features, stacked, strict=True)
            return [self.match(one.to(device), image, classes) for one, image in pairs]

    def match(self, query: Tensor, image: Tensor, classes: ClassBatch) -> Scores:
        """Scores of an image (3, H, W) in one piece, with features F (C, h, w)."""
        config, grid = self.network.config.decision, query.shape[-2:]
        found, presence = torch.zeros(len(classes), *grid), torch.zeros(len(classes))
        dtype = torch.bfloat16 if self.precision == "attention" else None
        for part in classes.subsets(max(1, _MAX_FEATURES // query.numel())):
            prototypes = part.prototypes
            if part.proposed and prototypes.text is not None:
                prototypes = self.network.propose(query.expand(len(part.numbers), *query.shape), prototypes.text)
            prediction = self.network.match_features(query[None], prototypes, grid, part.fusion, dtype)
            similarity = presence_statistic(
                prediction.query_features, prototypes, part.by_name, config, self.network.image.text_channels
            )
            found[part.numbers] = log_odds(prediction.logits).float().cpu()
            presence[part.numbers] = presence_probability(similarity, part.by_name, config).float().cpu()
        return Scores(refine_edges(found[None], image.cpu()[None])[0] if self.refine else found, presence)

    def _score_tiles(self, image: Tensor, classes: ClassBatch) -> Scores:
        """Scores of an image (3, h, w): those of the whole made small; of tiles for classes that it does not show.

        Tiles find what is too small for the whole. They do not correct what the whole shows: they see less of the
        surroundings, and on photographs their answers, alone or averaged with the whole's, were worse on average.
        """
        size, side = (image.shape[1], image.shape[2]), self.longest_side
        (whole,) = self.score([resize_to(image, side)], classes)
        unseen = is_absent(whole.presence, classes.presence_thresholds)
        if not unseen.any():
            return whole
        tiles, presence = self._blend_tiles(image, tile_corners(size, side), classes)
        resized = F.interpolate(whole.log_odds[None], size=size, mode="bilinear", align_corners=True)[0]
        log_odds = torch.where(unseen[:, None, None], tiles, resized)
        return Scores(log_odds, torch.where(unseen, torch.maximum(whole.presence, presence), whole.presence))

    def _blend_tiles(self, image: Tensor, corners: list[Corner], classes: ClassBatch) -> tuple[Tensor, Tensor]:
        """Log-odds (n, h, w) and presence (n,) of tiles: where a class is absent its probability is 0.

        Tiles share encoder passes, but not on a CPU, where a pass of several took 2 to 13 % longer for each.
        """
        size, side = (image.shape[1], image.shape[2]), self.longest_side
        tile = (min(side, size[0]), min(side, size[1]))
        blend, presence = TileBlend(len(classes), size), torch.zeros(len(classes))
        at_once = 1 if next(self.network.parameters()).device.type == "cpu" else IMAGES_AT_ONCE
        for start in range(0, len(corners), at_once):
            part = corners[start : start + at_once]
            found = self.score([crop_tile(image, corner, side) for corner in part], classes)
            for corner, scores in zip(part, found, strict=True):
                resized = F.interpolate(scores.log_odds[None], size=tile, mode="bilinear", align_corners=True)[0]
                absent = is_absent(scores.presence, classes.presence_thresholds)
                blend.add(torch.where(absent[:, None, None], 0, resized.sigmoid()), corner)
                presence = torch.maximum(presence, scores.presence)
        return blend.mean().logit(eps=1e-6), presence


def to_segmentation(image: PreprocessedImage, scores: Scores, classes: ClassBatch, background: float) -> Segmentation:
    """The result for one image. background: log-odds that a class must exceed at a pixel."""
    return Segmentation(
        image.original_size,
        (image.image.shape[1], image.image.shape[2]),
        classes.names,
        scores.log_odds,
        tuple(scores.presence.tolist()),
        tuple(is_absent(scores.presence, classes.presence_thresholds).tolist()),
        background,
    )


def group_by_size(images: Sequence[PreprocessedImage]) -> Iterator[list[int]]:
    """The numbers of the images in groups of one working size, each at most an encoder pass."""
    numbers_of = defaultdict(list)
    for i, image in enumerate(images):
        numbers_of[image.image.shape].append(i)
    for numbers in numbers_of.values():
        for start in range(0, len(numbers), IMAGES_AT_ONCE):
            yield numbers[start : start + IMAGES_AT_ONCE]
