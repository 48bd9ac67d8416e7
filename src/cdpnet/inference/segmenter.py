"""`Segmenter`: learn a class from a few marked images, then find it in others."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import QueryPrecision
from cdpnet.encoders.catalogue import PAIRS, EncoderPair
from cdpnet.episode import NO_NAME
from cdpnet.errors import DataError
from cdpnet.inference.adaptation import adapt
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.preprocessing import Preprocessing
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.tiling import Blend, corners, cut
from cdpnet.io.images import ImageSource, read_image
from cdpnet.labels.overlay import thumbnail
from cdpnet.labels.png import MaskSource
from cdpnet.network.checkpoint import describe_network, fingerprint
from cdpnet.network.fusion import ImageTextFusion
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes, mean_prototypes, stack_prototypes
from cdpnet.network.presence import best_fit, presence, recognised, thresholds
from cdpnet.runtime.constants import IGNORE_INDEX
from cdpnet.runtime.devices import autocast

_MOST_REDUCED = 4  # times that an image is reduced, at most, before it is cut into tiles
_FEATURES_HELD = 2**24  # numbers in the fused features of all classes matched at a time, 64 MiB


class Prepared(NamedTuple):
    """An image as the network sees it, (3, h, w) uint8, and its own size H, W."""

    image: Tensor
    size: tuple[int, int]


class _Known(NamedTuple):
    """n classes on the network's device: whether by name, least presence (n,), on the CPU, and their own fusions."""

    prototypes: Prototypes
    by_name: Tensor
    least: Tensor
    fusions: Sequence[ImageTextFusion | None]

    def groups(self, at_once: int) -> Iterator[tuple[list[int], ImageTextFusion | None]]:
        """Numbers of classes that can be matched together: at most so many that share the network's fusion, or one."""
        shared = [i for i, fusion in enumerate(self.fusions) if fusion is None]
        for start in range(0, len(shared), at_once):
            yield shared[start : start + at_once], None
        for i, fusion in enumerate(self.fusions):
            if fusion is not None:
                yield [i], fusion


class Segmenter:
    """Labelled examples in, masks out. Supports are encoded once; a query costs one encoder pass and the match.

    longest_side: images are worked on at this size at most (pixels); masks come back at the image's own size.
    tiles_above: images with a longer side than this are worked on in tiles; by default four times the working size.
    precision: of large products; classes are learned in float32 whatever it is.
    """

    def __init__(
        self,
        network: PrototypeNetwork,
        longest_side: int | None = None,
        tiles_above: int | None = None,
        precision: QueryPrecision = "float32",
    ) -> None:
        self.network, self.precision = network.eval(), precision
        self.network.attention_dtype = torch.bfloat16 if precision == "attention" else None
        pair = PAIRS.get(network.config.encoder.name, EncoderPair("", ""))
        side = longest_side or pair.longest_side
        self.preprocessing = Preprocessing(side, max(side, tiles_above or _MOST_REDUCED * side), network.image.stride)
        self._device = next(network.parameters()).device

    @property
    def threshold(self) -> float:
        """The probability that a class must exceed at a pixel by the network's own rule, 0..1."""
        return 1 / (1 + math.exp(-self.network.config.decision.background))

    @cached_property
    def model(self) -> tuple[str, str]:
        """The fingerprint of the network, and words for people."""
        return fingerprint(self.network), describe_network(self.network.config)

    def learn(
        self,
        name: str,
        images: ImageSource | Sequence[ImageSource],
        masks: MaskSource | Sequence[MaskSource],
        *,
        read_name: bool = True,
        steps: int = 0,
    ) -> ClassPrototype:
        """Learn a class from K images and their masks; without a name, or not to read it, by the images alone.

        steps: of test-time adaptation, see `adapt`. DataError for an image or mask that cannot be used. Images may
        differ in size: each gives prototypes of its own, and since the method averages over shots, their mean is what
        one batch of equal sizes would give.
        """
        pairs = self._supports(images, masks)
        read = name if read_name else NO_NAME
        with torch.no_grad():
            grids = [self.network.image.features(image[None]) for image, _ in pairs]
        fusion = adapt(self.network, grids, [mask for _, mask in pairs], read, steps).fusion if steps else None
        with torch.inference_mode():
            learned = mean_prototypes(
                [
                    self.network.learn_features(grid[None], mask[None, None], (read,), fusion)
                    for grid, (_, mask) in zip(grids, pairs, strict=True)
                ]
            )
            by_name = self._recognised(learned, grids, fusion)
        return ClassPrototype(
            name,
            learned.background[0].cpu(),
            learned.foreground[0].cpu(),
            None if learned.text is None else learned.text[0].cpu(),
            by_name,
            len(pairs),
            thumbnail(pairs[0][0].cpu(), pairs[0][1].cpu()),
            self.model,
            None if fusion is None else {key: value.cpu() for key, value in fusion.state_dict().items()},
        )

    def _supports(
        self, images: ImageSource | Sequence[ImageSource], masks: MaskSource | Sequence[MaskSource]
    ) -> list[tuple[Tensor, Tensor]]:
        """Examples as the network sees them, K images (3, h, w) and masks (h, w). DataError for one unusable."""
        images = [images] if isinstance(images, ImageSource) else images
        masks = [masks] if isinstance(masks, MaskSource) else masks
        if len(images) != len(masks) or not images:
            raise DataError(f"{len(images)} images and {len(masks)} masks were given; each image needs its mask.")
        seen = [self.preprocessing.support(image, mask) for image, mask in zip(images, masks, strict=True)]
        return [(image.to(self._device), mask.to(self._device)) for image, mask in seen]

    def segment(
        self,
        image: ImageSource,
        classes: ClassPrototype | Sequence[ClassPrototype],
        *,
        threshold: float | None = None,
        min_presence: float | None = None,
    ) -> Segmentation:
        """Find one class or several in an image; a pixel goes to its most probable class, if that beats the threshold.

        threshold: the probability that a class must exceed at a pixel. min_presence: a class that is less probable to
        be there is called absent; 0 calls none so. Both in 0..1, and by default the network's own, which `cdpnet
        calibrate` finds. DataError for an image that cannot be used.
        """
        known = [classes] if isinstance(classes, ClassPrototype) else list(classes)
        prepared = [self.prepare(image)]
        return self.segment_prepared(prepared, known, threshold=threshold, min_presence=min_presence)[0]

    def prepare(self, image: ImageSource) -> Prepared:
        """An image as the network will see it: reduced, and never more than it needs to be. DataError as `segment`."""
        image = read_image(image)
        return Prepared(self.preprocessing.reduced(image), (image.shape[1], image.shape[2]))

    @torch.inference_mode()
    def segment_prepared(
        self,
        images: Sequence[Prepared],
        classes: Sequence[ClassPrototype],
        *,
        threshold: float | None = None,
        min_presence: float | None = None,
    ) -> list[Segmentation]:
        """Several images of one working size at once; classes and thresholds as in `segment`."""
        known = self._known(classes, min_presence)
        h, w = images[0].image.shape[-2:]
        worked_at = (h, w)
        if max(worked_at) > self.preprocessing.longest_side:
            found = [self._tiled(prepared.image, known) for prepared in images]
        else:
            found = self._matched(torch.stack([prepared.image for prepared in images]), known)
        names = tuple(c.name for c in classes)
        answers = [
            Segmentation(
                prepared.size,
                worked_at,
                names,
                odds,
                tuple(there.tolist()),
                tuple((there < known.least).tolist()),
                self.network.config.decision.background,
            )
            for prepared, (odds, there) in zip(images, found, strict=True)
        ]
        return answers if threshold is None else [answer.at(threshold) for answer in answers]

    def _matched(self, images: Tensor, known: _Known) -> list[tuple[Tensor, Tensor]]:
        """Images (Q, 3, h, w) -> of each the log-odds of n classes on the feature grid, and their presence (n,)."""
        with autocast("bfloat16" if self.precision == "bfloat16" else "float32", self._device):
            return self._matched_in_precision(images, known)

    def _matched_in_precision(self, images: Tensor, known: _Known) -> list[tuple[Tensor, Tensor]]:
        features = self.network.image.features(images.to(self._device))
        config, grid = self.network.config.decision, features.shape[-2:]
        at_once = max(1, _FEATURES_HELD // features[0].numel())
        found = []
        for query in features:  # a loop over images: each meets all its classes in one batch
            odds, there = torch.zeros(len(known.least), *grid), torch.zeros(len(known.least))
            for which, fusion in known.groups(at_once):
                some, by_name = _part(known.prototypes, which), known.by_name[which]
                prediction = self.network.match_features(query[None], some, grid, fusion)
                fit = best_fit(prediction.query_features, some, by_name, config.locations)
                odds[which] = (prediction.logits[:, 1] - prediction.logits[:, 0]).float().cpu()
                there[which] = presence(fit, by_name, config).float().cpu()
            found.append((odds, there))
        return found

    def _tiled(self, image: Tensor, known: _Known) -> tuple[Tensor, Tensor]:
        """As `_matched`, of an image (3, h, w) in tiles; a class that a tile does not show is not found there."""
        size = (image.shape[1], image.shape[2])
        blend, there = Blend(len(known.least), size), torch.zeros(len(known.least))
        for place in corners(size, self.preprocessing.longest_side):
            tile = cut(image, place, self.preprocessing.longest_side)
            ((odds, seen),) = self._matched(tile[None], known)
            at_size = F.interpolate(odds[None], size=tile.shape[-2:], mode="bilinear", align_corners=True)[0]
            blend.add(torch.where((seen < known.least)[:, None, None], 0, at_size.sigmoid()), place)
            there = torch.maximum(there, seen)
        return blend.mean().logit(eps=1e-6), there

    def _known(self, classes: Sequence[ClassPrototype], min_presence: float | None) -> _Known:
        """Classes as the network takes them. DataError for none, too many, or one of another network."""
        if not 1 <= len(classes) < IGNORE_INDEX:
            raise DataError(f"{len(classes)} classes were given; a mask can hold 1 to {IGNORE_INDEX - 1}.")
        together = stack_prototypes([c.as_batch() for c in classes])
        text = None if together.text is None else together.text.to(self._device)
        prototypes = Prototypes(together.background.to(self._device), together.foreground.to(self._device), text)
        by_name = torch.tensor([c.by_name for c in classes])
        least = thresholds(by_name, self.network.config.decision)
        if min_presence is not None:
            least = torch.full((len(classes),), min_presence)
        fusions = [None if c.fusion is None else self._fusion_of(c.fusion) for c in classes]
        return _Known(prototypes, by_name.to(self._device), least, fusions)

    def _fusion_of(self, state: dict[str, Tensor]) -> ImageTextFusion:
        """The fusion that was adapted to a class."""
        fusion = copy.deepcopy(self.network.fusion)
        assert fusion is not None  # the class was learned by this network
        fusion.load_state_dict(state)
        return fusion

    def _recognised(self, learned: Prototypes, grids: Sequence[Tensor], fusion: ImageTextFusion | None) -> bool:
        """Whether the class is known by its name in its own examples, K features (1, C, h, w)."""
        config, named = self.network.config.decision, learned.named
        fused = [self.network.fuse(grid, learned.text, fusion) for grid in grids]
        fits = torch.stack([best_fit(grid, learned, named, config.locations) for grid in fused])
        return bool(recognised(fits.mean(dim=0), named, config))


def _part(prototypes: Prototypes, which: list[int]) -> Prototypes:
    """Some of the classes of a batch."""
    text = None if prototypes.text is None else prototypes.text[which]
    return Prototypes(prototypes.background[which], prototypes.foreground[which], text)
