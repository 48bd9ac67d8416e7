"""`Segmenter`: learn a class from a few examples, then segment it in other images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import QueryPrecision
from cdpnet.encoders.catalogue import PAIRS, EncoderPair
from cdpnet.episode import NO_NAME
from cdpnet.errors import DataError
from cdpnet.inference.adaptation import adapt
from cdpnet.inference.class_batch import ClassBatch, build_class_batch
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.preprocessing import PreprocessedImage, Preprocessing
from cdpnet.inference.refinement import refine_edges
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.tiling import TileBlend, crop_tile, tile_corners
from cdpnet.io.image_tensors import ImageSource
from cdpnet.labels.overlay import thumbnail
from cdpnet.labels.png import MaskSource
from cdpnet.network.build import load_network
from cdpnet.network.checkpoint import describe_network, fingerprint
from cdpnet.network.decision import is_absent, log_odds
from cdpnet.network.fusion import ImageTextFusion
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes, mean_prototypes
from cdpnet.network.presence import presence_probability, presence_statistic, recognises_name
from cdpnet.runtime.devices import autocast, resolve_device
from cdpnet.runtime.text import check_class_name

_TILES_ABOVE = 4  # times the working size, the longer side beyond which an image is tiled by default
_THUMBNAIL, _GREY = 96, 235  # side in pixels and brightness of the picture of a class without an example
_BATCH = 8  # images of one size in an encoder pass
_MAX_FEATURES = 2**24  # numbers in the fused features of all classes matched at a time, 64 MiB


class _Scores(NamedTuple):
    """Of one image and n classes, on the CPU: log-odds (n, h, w), and the probability of presence (n,)."""

    log_odds: Tensor
    presence: Tensor


class Segmenter:
    """Learns classes from examples and segments them in images; an example is encoded once, not with every image.

    The network is used where it is, in the mode it is in, and never changed. Several threads may share a segmenter.

    longest_side: size in pixels that larger images are scaled down to; by default that of the encoder pair. Masks have
    the images' original size. tiles_above: an image with a longer side than this, in pixels, is processed in tiles; by
    default four times ``longest_side``. precision: of large products while segmenting; classes are learned in float32.
    refine: whether edges are refined along the colours of the image, see `refine_edges`; by default as the encoder pair
    has it.
    """

    def __init__(
        self,
        network: PrototypeNetwork,
        longest_side: int | None = None,
        tiles_above: int | None = None,
        precision: QueryPrecision = "float32",
        refine: bool | None = None,
    ) -> None:
        self.network, self.precision = network, precision
        pair = PAIRS.get(network.config.encoder.name, EncoderPair("", ""))
        self.refine = pair.refine if refine is None else refine
        side = longest_side or pair.longest_side
        self.preprocessing = Preprocessing(side, max(side, tiles_above or _TILES_ABOVE * side), network.image.stride)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = "photo", device: str | torch.device | None = None) -> Segmenter:
        """A segmenter over a network of `load_network`: ``photo``, a checkpoint folder, or another named encoder pair.

        device: such as ``cpu`` or ``cuda:1``; None for a GPU if there is one, see `resolve_device`.

        ConfigError for an unknown name or device, WeightsError for weights that cannot be had.
        """
        chosen = resolve_device(device)  # refused before the weights are loaded
        return cls(load_network(name_or_path).to(chosen))

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.network.parameters()).device

    @property
    def threshold(self) -> float:
        """The network's own threshold of the probability of a class at a pixel, 0..1."""
        return 1 / (1 + math.exp(-self.network.config.decision.background))

    @cached_property
    def model(self) -> tuple[str, str]:
        """The fingerprint of the network, and its description for people."""
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
        """Learn a class from K images, which may differ in size, and their masks.

        name: of the class; with an empty name, or ``read_name=False``, the network uses the images alone. steps: of
        test-time adaptation, see `adapt`; 0 for none.

        DataError for an image or mask that cannot be used.
        """
        check_class_name(name)
        # Each image gives its own prototypes. The method averages over shots, so images of one size give what they
        # would give as one batch.
        supports = self._load_supports(images, masks)
        read = name if read_name else NO_NAME
        with torch.no_grad():
            grids = [self.network.image.features(image[None]) for image, _ in supports]
        fusion = adapt(self.network, grids, [mask for _, mask in supports], read, steps).fusion if steps else None
        with torch.inference_mode():
            learned = mean_prototypes(
                [
                    self.network.learn_features(grid[None], mask[None, None], (read,), fusion)
                    for grid, (_, mask) in zip(grids, supports, strict=True)
                ]
            )
            by_name = self._recognises_name(learned, grids, fusion)
        return ClassPrototype(
            name,
            learned.background[0].cpu(),
            learned.foreground[0].cpu(),
            None if learned.text is None else learned.text[0].cpu(),
            by_name,
            len(supports),
            thumbnail(supports[0][0].cpu(), supports[0][1].cpu()),
            self.model,
            None if fusion is None else {key: value.cpu() for key, value in fusion.state_dict().items()},
            None if learned.parts is None else learned.parts[0].cpu(),
        )

    def learn_name(self, name: str) -> ClassPrototype:
        """A class of which only the name is known: its masks are proposals to begin with (our addition).

        ConfigError for a network that reads no names, DataError for an empty name.
        """
        if not name.strip():
            raise DataError("The name is empty; give the class a name, or an example.")
        check_class_name(name)
        with torch.inference_mode():
            text = self.network.encode_names((name,))[0].cpu()
        background, foreground = torch.zeros_like(text), torch.zeros_like(text)  # taken from each image
        parts = torch.zeros(2, 1, len(text)) if self.network.config.part_prototypes else None
        blank = np.full((_THUMBNAIL, _THUMBNAIL, 3), _GREY, dtype=np.uint8)
        return ClassPrototype(name, background, foreground, text, True, 0, blank, self.model, parts=parts)

    def segment(
        self,
        image: ImageSource,
        classes: ClassPrototype | Sequence[ClassPrototype],
        *,
        threshold: float | None = None,
        min_presence: float | None = None,
    ) -> Segmentation:
        """Segment one class or several in an image; a pixel goes to the most probable class above the threshold.

        threshold: probability that a class must exceed at a pixel. min_presence: a class that is less probable to be
        in the image is called absent and gets no pixel; 0 for none. Both 0..1, by default the network's own, which
        `cdpnet calibrate` determines.

        DataError for an image that cannot be used, and for no class or too many.
        """
        return self.segment_batch([image], classes, threshold=threshold, min_presence=min_presence)[0]

    def segment_batch(
        self,
        images: Sequence[ImageSource],
        classes: ClassPrototype | Sequence[ClassPrototype],
        *,
        threshold: float | None = None,
        min_presence: float | None = None,
    ) -> list[Segmentation]:
        """Segment several images, in their order; those of one working size share encoder passes.

        All images are held in memory at working size. Arguments and errors as `segment`.
        """
        loaded = [self.preprocessing.load(image) for image in images]
        return self.segment_preprocessed(loaded, classes, threshold=threshold, min_presence=min_presence)

    @torch.inference_mode()
    def segment_preprocessed(
        self,
        images: Sequence[PreprocessedImage],
        classes: ClassPrototype | Sequence[ClassPrototype],
        *,
        threshold: float | None = None,
        min_presence: float | None = None,
    ) -> list[Segmentation]:
        """As `segment_batch`, for images that `Preprocessing.load` has read."""
        learned = [classes] if isinstance(classes, ClassPrototype) else list(classes)
        batch = build_class_batch(self.network, learned, min_presence)
        scores: dict[int, _Scores] = {}
        for numbers in _group_by_size(images):
            scores.update(zip(numbers, self._score([images[i].image for i in numbers], batch), strict=True))
        found = [self._to_segmentation(image, scores[i], batch) for i, image in enumerate(images)]
        return found if threshold is None else [segmentation.at(threshold) for segmentation in found]

    def _load_supports(
        self, images: ImageSource | Sequence[ImageSource], masks: MaskSource | Sequence[MaskSource]
    ) -> list[tuple[Tensor, Tensor]]:
        """K images (3, h, w) and masks (h, w) at working size, on the network's device. DataError as `learn`."""
        images = [images] if isinstance(images, ImageSource) else images
        masks = [masks] if isinstance(masks, MaskSource) else masks
        if len(images) != len(masks) or not images:
            raise DataError(f"{len(images)} images and {len(masks)} masks were given; each image needs its mask.")
        loaded = [self.preprocessing.load_support(image, mask) for image, mask in zip(images, masks, strict=True)]
        return [(image.to(self.device), mask.to(self.device)) for image, mask in loaded]

    def _recognises_name(self, learned: Prototypes, grids: Sequence[Tensor], fusion: ImageTextFusion | None) -> bool:
        """Whether a class is recognised by its name in its own examples, K features (1, C, h, w)."""
        config, named = self.network.config.decision, learned.named
        fused = [self.network.fuse(grid, learned.text, fusion) for grid in grids]
        similarities = torch.stack([presence_statistic(grid, learned, named, config) for grid in fused])
        return bool(recognises_name(similarities.mean(dim=0), named, config))

    def _score(self, images: Sequence[Tensor], classes: ClassBatch) -> list[_Scores]:
        """Scores of images (3, h, w) of one working size."""
        if max(images[0].shape[-2:]) > self.preprocessing.longest_side:
            return [self._score_tiles(image, classes) for image in images]
        stacked = torch.stack(list(images)).to(self.device)
        with autocast("bfloat16" if self.precision == "bfloat16" else "float32", self.device):
            features = self.network.image.features(stacked)
            return [self._match(*pair, classes) for pair in zip(features, stacked, strict=True)]

    def _match(self, query: Tensor, image: Tensor, classes: ClassBatch) -> _Scores:
        """Scores of an image (3, H, W) with features (C, h, w)."""
        config, grid = self.network.config.decision, query.shape[-2:]
        found, presence = torch.zeros(len(classes), *grid), torch.zeros(len(classes))
        dtype = torch.bfloat16 if self.precision == "attention" else None
        for part in classes.subsets(max(1, _MAX_FEATURES // query.numel())):
            prototypes = part.prototypes
            if part.proposed and prototypes.text is not None:
                prototypes = self.network.propose(query.expand(len(part.numbers), *query.shape), prototypes.text)
            prediction = self.network.match_features(query[None], prototypes, grid, part.fusion, dtype)
            similarity = presence_statistic(prediction.query_features, prototypes, part.by_name, config)
            found[part.numbers] = log_odds(prediction.logits).float().cpu()
            presence[part.numbers] = presence_probability(similarity, part.by_name, config).float().cpu()
        return _Scores(refine_edges(found[None], image.cpu()[None])[0] if self.refine else found, presence)

    def _score_tiles(self, image: Tensor, classes: ClassBatch) -> _Scores:
        """Scores of an image (3, h, w) in tiles: in a tile where a class is absent it has a probability of 0."""
        size, side = (image.shape[1], image.shape[2]), self.preprocessing.longest_side
        blend, presence = TileBlend(len(classes), size), torch.zeros(len(classes))
        for corner in tile_corners(size, side):
            tile = crop_tile(image, corner, side)
            (scores,) = self._score([tile], classes)
            resized = F.interpolate(scores.log_odds[None], size=tile.shape[-2:], mode="bilinear", align_corners=True)[0]
            absent = is_absent(scores.presence, classes.presence_thresholds)
            blend.add(torch.where(absent[:, None, None], 0, resized.sigmoid()), corner)
            presence = torch.maximum(presence, scores.presence)
        return _Scores(blend.mean().logit(eps=1e-6), presence)

    def _to_segmentation(self, image: PreprocessedImage, scores: _Scores, classes: ClassBatch) -> Segmentation:
        return Segmentation(
            image.original_size,
            (image.image.shape[1], image.image.shape[2]),
            classes.names,
            scores.log_odds,
            tuple(scores.presence.tolist()),
            tuple(is_absent(scores.presence, classes.presence_thresholds).tolist()),
            self.network.config.decision.background,
        )


def _group_by_size(images: Sequence[PreprocessedImage]) -> Iterator[list[int]]:
    """The numbers of the images in groups of one working size, each at most an encoder pass."""
    numbers_of = defaultdict(list)
    for i, image in enumerate(images):
        numbers_of[image.image.shape].append(i)
    for numbers in numbers_of.values():
        for start in range(0, len(numbers), _BATCH):
            yield numbers[start : start + _BATCH]
