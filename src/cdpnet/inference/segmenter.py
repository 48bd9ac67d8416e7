"""`Segmenter`: learn a class from a few examples, then segment it in other images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.config import QueryPrecision
from cdpnet.encoders.catalogue import PAIRS, EncoderPair
from cdpnet.episode import NO_NAME
from cdpnet.errors import DataError
from cdpnet.inference.adaptation import adapt
from cdpnet.inference.class_batch import adapted_fusion, build_class_batch
from cdpnet.inference.class_examples import ClassExample
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.click_encoding import window_encoder
from cdpnet.inference.click_model import ClickModel
from cdpnet.inference.learning import (
    Support,
    blank_class,
    blank_thumbnail,
    check_model,
    encode_support,
    learn_name,
    load_support,
    load_supports,
    pool_example,
    replace_picture,
    unlearn,
    with_absence,
    with_examples,
    without_example,
)
from cdpnet.inference.marking import Marking
from cdpnet.inference.preprocessing import PreprocessedImage, Preprocessing
from cdpnet.inference.scoring import Scores, Scoring, group_by_size, to_segmentation
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.uncertainty import disagreement, leave_one_out
from cdpnet.io.image_tensors import ImageSource, read_image
from cdpnet.labels.png import MaskSource
from cdpnet.network.build import load_network
from cdpnet.network.checkpoint import describe_network, fingerprint
from cdpnet.network.network import PrototypeNetwork
from cdpnet.runtime.devices import resolve_device
from cdpnet.runtime.text import check_class_name

_TILES_ABOVE = 4  # times the working size, the longer side beyond which an image is tiled by default


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
        without: Sequence[ImageSource] = (),
    ) -> ClassPrototype:
        """Learn a class from K images, which may differ in size, and their masks.

        name: of the class; with an empty name, or ``read_name=False``, the network uses the images alone. steps: of
        test-time adaptation, see `adapt`; 0 for none. without: images that do not show the class, see `learn_absence`.
        Of several examples, those with too little object or background are left out, and a note says so.

        DataError for an image or mask that cannot be used.
        """
        check_class_name(name)
        supports = load_supports(self.preprocessing, images, masks, self.device)
        read = name if read_name else NO_NAME
        with torch.no_grad():
            encoded = [encode_support(self.network, support) for support in supports]
        whole = [one.features[:, 0] for one in encoded]
        fusion = adapt(self.network, whole, [s.mask for s in supports], read, steps).fusion if steps else None
        blank = blank_class(self.network, name, read, self.model)
        if fusion is not None:
            blank = replace(blank, fusion={key: value.cpu() for key, value in fusion.state_dict().items()})
        with torch.inference_mode():
            examples = [pool_example(self.network, one, read, fusion) for one in encoded]
        learned = with_examples(blank, examples, self.network.config.decision, supports[0].thumbnail())
        return self.learn_absence(learned, without) if without else learned

    def learn_absence(self, learned: ClassPrototype, without: Sequence[ImageSource]) -> ClassPrototype:
        """The class with a presence threshold by which it is absent in these images without it (our addition).

        The threshold is the highest probability of presence in them, and at least the network's own; it stays when
        examples come and go. DataError for an image that cannot be used, and for no image.
        """
        if not without:
            raise DataError("No image without the class was given; give one or more.")
        found = self.segment_batch(without, replace(learned, min_presence=None))
        return with_absence(learned, [one.presence[0] for one in found], self.network.config.decision)

    def learn_name(self, name: str) -> ClassPrototype:
        """A class of which only the name is known: its masks are proposals to begin with (our addition).

        ConfigError for a network that reads no names, DataError for an empty name.
        """
        if not name.strip():
            raise DataError("The name is empty; give the class a name, or an example.")
        check_class_name(name)
        return learn_name(self.network, name, self.model)

    def add_example(self, learned: ClassPrototype, image: ImageSource, mask: MaskSource) -> ClassPrototype:
        """The class with one example more, last; what it was learned from before is not needed (our addition).

        A class that was adapted keeps its adaptation as it is.

        DataError for an image or mask that cannot be used, and for a class of another model.
        """
        example, support = self._learn_example(learned, image, mask)
        examples = (*learned.stored_examples, example)
        return self._with_examples(learned, examples, None if learned.shots else support.thumbnail())

    def correct(self, learned: ClassPrototype, image: ImageSource, mask: MaskSource) -> ClassPrototype:
        """The class with this mask as an example, in the place of an earlier one of the same image (our addition).

        Arguments and errors as `add_example`.
        """
        example, support = self._learn_example(learned, image, mask)
        examples = replace_picture(learned.stored_examples, example)
        return self._with_examples(learned, examples, support.thumbnail() if examples[0] is example else None)

    def remove_example(self, learned: ClassPrototype, index: int) -> ClassPrototype:
        """The class without one of its examples, counted from 0 (our addition).

        Without the first example it has no thumbnail; without the last one only its name is known.

        DataError where there is no such example, for a class of another model, and for the only example of a class
        whose name is not read.
        """
        check_model(learned, self.model)
        examples = without_example(learned, index)
        if not examples:
            return unlearn(self.network, learned)
        return self._with_examples(learned, examples, None if index else blank_thumbnail())

    def disagreement(self, image: ImageSource, learned: ClassPrototype) -> float:
        """How much the result for an image depends on single examples of a class, 0..1 (our addition).

        See `uncertainty.disagreement`. DataError for an image that cannot be used, and for fewer than two examples.
        """
        classes = leave_one_out(learned, self.network.config.decision)
        return disagreement(self.segment(image, classes, min_presence=0))

    @torch.no_grad()
    def begin(self, image: ImageSource, model: ClickModel | None = None) -> Marking:
        """Encode an image in which an object is to be marked by clicks, see `Marking.mask` (our addition).

        It is worked on in one piece, however large it is, and then in a window around the object. model: by default the
        one of the package.

        DataError for an image that cannot be used.
        """
        original = read_image(image)
        encode = window_encoder(original, self.network.image, self.preprocessing.longest_side, self.device)
        return Marking(encode, (original.shape[1], original.shape[2]), model)

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

        DataError for an image that cannot be used, for no class or too many, and for a share outside 0..1.
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
        features: Sequence[Tensor] | None = None,
    ) -> list[Segmentation]:
        """As `segment_batch`, for images that `Preprocessing.load` has read.

        features: what `encode` gives for each image, where it is known.
        """
        learned = [classes] if isinstance(classes, ClassPrototype) else list(classes)
        batch, scoring = build_class_batch(self.network, learned, min_presence), self._scoring()
        scores: dict[int, Scores] = {}
        for numbers in group_by_size(images):
            encoded = None if features is None else [features[i] for i in numbers]
            scores.update(zip(numbers, scoring.score([images[i].image for i in numbers], batch, encoded), strict=True))
        background = self.network.config.decision.background
        found = [to_segmentation(image, scores[i], batch, background) for i, image in enumerate(images)]
        return found if threshold is None else [segmentation.at(threshold) for segmentation in found]

    @torch.inference_mode()
    def encode(self, image: PreprocessedImage) -> Tensor | None:
        """The features F (C, h, w) of an image, for `segment_preprocessed`; None for one that is seen in tiles."""
        return self._scoring().encode(image.image)

    def _scoring(self) -> Scoring:
        return Scoring(self.network, self.preprocessing.longest_side, self.precision, refine=self.refine)

    @torch.inference_mode()
    def _learn_example(
        self, learned: ClassPrototype, image: ImageSource, mask: MaskSource
    ) -> tuple[ClassExample, Support]:
        """One more example of a class, as that reads its name. DataError as `add_example`."""
        check_model(learned, self.model)
        support = load_support(self.preprocessing, image, mask, self.device)
        encoded = encode_support(self.network, support)
        read = learned.name if learned.reads_name else NO_NAME
        return pool_example(self.network, encoded, read, adapted_fusion(self.network, learned)), support

    def _with_examples(
        self, learned: ClassPrototype, examples: Sequence[ClassExample], thumbnail: NDArray[np.uint8] | None
    ) -> ClassPrototype:
        return with_examples(learned, examples, self.network.config.decision, thumbnail)
