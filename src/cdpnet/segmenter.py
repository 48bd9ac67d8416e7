"""`Segmenter`: learn a class from a few marked pictures, then find it in others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.classes import ClassPrototype
from cdpnet.encoders import PAIRS, Pair
from cdpnet.episode import IGNORE_INDEX, NO_NAME, Prototypes, mean_prototypes, stack_prototypes
from cdpnet.errors import DataError
from cdpnet.labels.overlay import thumbnail
from cdpnet.labels.png import MaskSource, read_mask
from cdpnet.network import PrototypeNetwork
from cdpnet.network.checkpoint import described, fingerprint
from cdpnet.network.presence import are_named, best_fit, presence, thresholds
from cdpnet.network.prototypes import to_grid
from cdpnet.pictures import PictureSource, read_picture
from cdpnet.segmentation import Segmentation
from cdpnet.tiles import Blend, corners, cut

_LEAST_SEEN = 0.5  # locations of the feature grid that a support's object and background must each amount to
_SHORTEST_SIDE = 32  # pixels
_MOST_REDUCED = 4  # times that a picture is reduced, at most, before it is cut into tiles
_ROOM_AROUND = 1.5  # of an object's longer side, the least that is shown of a large support
_FEATURES_HELD = 2**24  # numbers in the fused features of all classes matched at a time, 64 MiB


class Prepared(NamedTuple):
    """A picture as the network sees it, (3, h, w) uint8, and its own size H, W."""

    picture: Tensor
    size: tuple[int, int]


class Segmenter:
    """Labelled examples in, masks out. Supports are encoded once; a query costs one encoder pass and the match.

    longest_side: pictures are worked on at this size at most (pixels); masks come back at the picture's own size.
    tiles_above: pictures with a longer side than this are worked on in tiles; by default four times the working size.
    """

    def __init__(
        self, network: PrototypeNetwork, longest_side: int | None = None, tiles_above: int | None = None
    ) -> None:
        self.network = network.eval()
        pair = PAIRS.get(network.config.encoder.name, Pair("", ""))
        self.longest_side = longest_side or pair.longest_side
        self.tiles_above = max(self.longest_side, tiles_above or _MOST_REDUCED * self.longest_side)
        self._device = next(network.parameters()).device

    @cached_property
    def model(self) -> tuple[str, str]:
        """The fingerprint of the network, and words for people."""
        return fingerprint(self.network), described(self.network.config)

    @torch.inference_mode()
    def learn(
        self,
        name: str,
        images: PictureSource | Sequence[PictureSource],
        masks: MaskSource | Sequence[MaskSource],
        *,
        read_name: bool = True,
    ) -> ClassPrototype:
        """Learn a class from K pictures and their masks; without a name, or not to read it, by the pictures alone.

        DataError for a picture or mask that cannot be used. Pictures may differ in size: each gives prototypes of its
        own, and since the method averages over shots, their mean is what one batch of equal sizes would give.
        """
        pairs = self.supports(images, masks)
        read = (name if read_name else NO_NAME,)
        learned = mean_prototypes(
            [self.network.learn(image[None, None], mask[None, None], read) for image, mask in pairs]
        )
        text = None if learned.text is None else learned.text[0].cpu()
        shown = thumbnail(pairs[0][0].cpu(), pairs[0][1].cpu())
        return ClassPrototype(
            name, learned.background[0].cpu(), learned.foreground[0].cpu(), text, len(pairs), shown, self.model
        )

    def supports(
        self, images: PictureSource | Sequence[PictureSource], masks: MaskSource | Sequence[MaskSource]
    ) -> list[tuple[Tensor, Tensor]]:
        """Examples as the network sees them, K pictures (3, h, w) and masks (h, w). DataError for one unusable."""
        images = [images] if isinstance(images, PictureSource) else images
        masks = [masks] if isinstance(masks, MaskSource) else masks
        if len(images) != len(masks) or not images:
            raise DataError(f"{len(images)} pictures and {len(masks)} masks were given; each picture needs its mask.")
        return [self._support(image, mask) for image, mask in zip(images, masks, strict=True)]

    def segment(
        self,
        image: PictureSource,
        classes: ClassPrototype | Sequence[ClassPrototype],
        *,
        least_presence: float | None = None,
    ) -> Segmentation:
        """Find one class or several in a picture; a pixel goes to its most probable class, if that beats a half.

        least_presence: a class that is less probable to be there is called absent, in 0..1, where 0 calls none so; by
        default the network's own, which `cdpnet calibrate` finds. DataError for a picture that cannot be used.
        """
        known = [classes] if isinstance(classes, ClassPrototype) else list(classes)
        return self.segment_prepared([self.prepare(image)], known, least_presence=least_presence)[0]

    def prepare(self, image: PictureSource) -> Prepared:
        """A picture as the network will see it: reduced, and never more than it needs to be. DataError as `segment`."""
        picture = read_picture(image)
        return Prepared(self._reduced(picture), (picture.shape[1], picture.shape[2]))

    @torch.inference_mode()
    def segment_prepared(
        self,
        pictures: Sequence[Prepared],
        classes: Sequence[ClassPrototype],
        *,
        least_presence: float | None = None,
    ) -> list[Segmentation]:
        """Several pictures of one working size at once; classes and threshold as in `segment`."""
        if not 1 <= len(classes) < IGNORE_INDEX:
            raise DataError(f"{len(classes)} classes were given; a mask can hold 1 to {IGNORE_INDEX - 1}.")
        prototypes = self._on_device(stack_prototypes([c.as_batch() for c in classes]))
        least = self._least(prototypes, least_presence)
        h, w = pictures[0].picture.shape[-2:]
        worked_at = (h, w)
        if max(worked_at) > self.longest_side:
            found = [self._tiled(prepared.picture, prototypes, least) for prepared in pictures]
        else:
            found = self._matched(torch.stack([prepared.picture for prepared in pictures]), prototypes)
        names = tuple(c.name for c in classes)
        return [
            Segmentation(
                prepared.size,
                worked_at,
                names,
                odds,
                tuple(there.tolist()),
                tuple((there < least).tolist()),
                self.network.config.decision.background,
            )
            for prepared, (odds, there) in zip(pictures, found, strict=True)
        ]

    def _matched(self, pictures: Tensor, prototypes: Prototypes) -> list[tuple[Tensor, Tensor]]:
        """Pictures (Q, 3, h, w) -> of each the log-odds of n classes on the feature grid, and their presence (n,)."""
        features = self.network.image.features(pictures.to(self._device))
        config, named = self.network.config.decision, are_named(prototypes)
        at_once = max(1, _FEATURES_HELD // features[0].numel())
        grid = features.shape[-2:]
        found = []
        for query in features:  # a loop over pictures: each meets all its classes in one batch
            odds, there = [], []
            for start in range(0, len(named), at_once):
                some = _part(prototypes, slice(start, start + at_once))
                prediction = self.network.match_features(query[None], some, grid)
                odds.append(prediction.logits[:, 1] - prediction.logits[:, 0])
                fit = best_fit(prediction.query_features, some, config.locations)
                there.append(presence(fit, named[start : start + at_once], config))
            found.append((torch.cat(odds).float().cpu(), torch.cat(there).float().cpu()))
        return found

    def _tiled(self, picture: Tensor, prototypes: Prototypes, least: Tensor) -> tuple[Tensor, Tensor]:
        """As `_matched`, of a picture (3, h, w) in tiles; a class that a tile does not show is not found there."""
        size = (picture.shape[1], picture.shape[2])
        places = corners(size, self.longest_side)
        blend, there = Blend(len(least), size), torch.zeros(len(least))
        for place in places:
            tile = cut(picture, [place], self.longest_side)
            ((odds, seen),) = self._matched(tile, prototypes)
            at_size = F.interpolate(odds[None], size=tile.shape[-2:], mode="bilinear", align_corners=True)[0]
            blend.add(torch.where((seen < least)[:, None, None], 0, at_size.sigmoid()), place)
            there = torch.maximum(there, seen)
        return blend.mean().logit(eps=1e-6), there

    def _least(self, prototypes: Prototypes, chosen: float | None) -> Tensor:
        """The presence below which each class is called absent, (n,)."""
        named = are_named(prototypes).cpu()
        if chosen is None:
            return thresholds(named, self.network.config.decision)
        return torch.full((len(named),), chosen)

    def _on_device(self, prototypes: Prototypes) -> Prototypes:
        text = None if prototypes.text is None else prototypes.text.to(self._device)
        return Prototypes(prototypes.background.to(self._device), prototypes.foreground.to(self._device), text)

    def _reduced(self, picture: Tensor) -> Tensor:
        """A picture (3, H, W) at working size; one that is worked on in tiles stays larger."""
        larger = max(1.0, max(picture.shape[-2:]) / self.tiles_above)
        return resized(picture, round(self.longest_side * larger))

    def _support(self, image: PictureSource, mask: MaskSource) -> tuple[Tensor, Tensor]:
        """A picture (3, h, w) and its mask (h, w) at working size. DataError if the object is too small to be seen."""
        picture = read_picture(image)
        marked = read_mask(mask, (picture.shape[1], picture.shape[2]))
        small = self._reduced(picture)
        small_mask = _nearest(marked, small)
        if max(small.shape[-2:]) > self.longest_side and (small_mask == 1).any():  # seen as large as in a tile
            window = _around(small_mask, self.longest_side)
            small = resized(small[:, window[0], window[1]], self.longest_side)
            small_mask = _nearest(small_mask[window], small)
        self._check(small_mask, mask)
        return small.to(self._device), small_mask.to(self._device)

    def _check(self, mask: Tensor, source: MaskSource) -> None:
        """DataError where a mask (h, w) at working size leaves the network no object or no background to see."""
        h, w = mask.shape
        stride = self.network.image.stride
        sides = torch.stack([mask == 1, mask == 0])
        foreground, background = to_grid(sides, (-(-h // stride), -(-w // stride))).sum(dim=(1, 2)).tolist()
        name = source if isinstance(source, (str, Path)) else "the mask"
        if foreground < _LEAST_SEEN:
            raise DataError(
                f"The object in {name} is too small or too thin to be seen at {w} x {h} pixels, where the network has "
                f"one location for {stride} x {stride}; crop the picture around it."
            )
        if background < _LEAST_SEEN:
            raise DataError(f"{name} leaves too little background to compare with; crop less tightly.")


def resized(picture: Tensor, longest_side: int) -> Tensor:
    """A picture (3, H, W) with its longer side at most ``longest_side`` pixels; smaller ones stay as they are.

    No side becomes shorter than an encoder needs, so a very long or tiny picture is stretched.
    """
    scale = min(1.0, longest_side / max(picture.shape[-2:]))
    size = [max(_SHORTEST_SIDE, round(side * scale)) for side in picture.shape[-2:]]
    if size == list(picture.shape[-2:]):
        return picture
    small = F.interpolate(picture[None].float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    return small[0].round().clamp(0, 255).to(torch.uint8)


def _nearest(mask: Tensor, picture: Tensor) -> Tensor:
    """A mask (H, W) at the size of a picture (3, h, w)."""
    size = tuple(picture.shape[-2:])
    return F.interpolate(mask[None, None].float(), size=size, mode="nearest-exact")[0, 0].to(torch.uint8)


def _around(mask: Tensor, side: int) -> tuple[slice, slice]:
    """The square window of ``side`` pixels around the object of a mask (H, W), or more where the object needs it."""
    on = (mask == 1).nonzero()
    first, last = on.amin(dim=0), on.amax(dim=0) + 1
    side = max(side, round(_ROOM_AROUND * int((last - first).max())))
    window = []
    for middle, length in zip(((first + last) // 2).tolist(), mask.shape, strict=True):
        start = min(max(0, middle - side // 2), max(0, length - side))
        window.append(slice(start, min(start + side, length)))
    return window[0], window[1]


def _part(prototypes: Prototypes, which: slice) -> Prototypes:
    """Some of the classes of a batch."""
    text = None if prototypes.text is None else prototypes.text[which]
    return Prototypes(prototypes.background[which], prototypes.foreground[which], text)
