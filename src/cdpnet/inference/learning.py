"""Classes from examples: every example gives vectors, and a class is the mean of those of its examples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.config import DecisionConfig
from cdpnet.errors import DataError
from cdpnet.inference.class_examples import ClassExample, pool_examples
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.preprocessing import Preprocessing
from cdpnet.io.image_tensors import ImageSource
from cdpnet.labels.overlay import thumbnail
from cdpnet.labels.png import MaskSource, UnusableMaskError
from cdpnet.network.fusion import ImageTextFusion
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.presence import name_similarity, presence_thresholds, recognises_name
from cdpnet.runtime.notes import note
from cdpnet.runtime.text import counted

_THUMBNAIL, _GREY = 96, 235  # side in pixels and brightness of the picture of a class without an example
_MOST_TOLD = 10  # examples that are left out


class Support(NamedTuple):
    """An example at working size, on the network's device: image (3, h, w), mask (h, w), and `ClassExample.picture`."""

    image: Tensor
    mask: Tensor
    picture: str

    def thumbnail(self) -> NDArray[np.uint8]:
        """A small version of the marked object with its mask, (h, w, 4)."""
        return thumbnail(self.image.cpu(), self.mask.cpu())


def load_support(preprocessing: Preprocessing, image: ImageSource, mask: MaskSource, device: torch.device) -> Support:
    """Read an example. DataError for an image or mask that cannot be used."""
    resized, resized_mask, original = preprocessing.load_support(image, mask)
    return Support(resized.to(device), resized_mask.to(device), hash_picture(original))


def load_supports(
    preprocessing: Preprocessing,
    images: ImageSource | Sequence[ImageSource],
    masks: MaskSource | Sequence[MaskSource],
    device: torch.device,
) -> list[Support]:
    """Read K examples; of several, those with too little object or background are left out, and a note says so.

    DataError where none is left, for one that cannot be used for another reason, for another number of masks, and for
    none.
    """
    images = [images] if isinstance(images, ImageSource) else images
    masks = [masks] if isinstance(masks, MaskSource) else masks
    if len(images) != len(masks) or not images:
        given = f"{counted(len(images), 'image')} and {counted(len(masks), 'mask')}"
        raise DataError(f"{given} were given; each image needs its mask.")
    supports, unusable = [], []
    for image, mask in zip(images, masks, strict=True):
        try:
            supports.append(load_support(preprocessing, image, mask, device))
        except UnusableMaskError as error:
            unusable.append(error)
    if not supports:
        raise unusable[0]
    for reason in unusable[:_MOST_TOLD]:
        note(f"An example is left out: {reason}")
    if (n_more := len(unusable) - _MOST_TOLD) > 0:
        note(f"{counted(n_more, 'more example is', 'more examples are')} left out for such reasons.")
    return supports


def hash_picture(image: Tensor) -> str:
    """The SHA-256 of an image (3, H, W) uint8, whatever file it came from."""
    content = hashlib.sha256(repr(tuple(image.shape)).encode())
    content.update(image.contiguous().cpu().numpy().data)
    return content.hexdigest()


class EncodedSupport(NamedTuple):
    """An example as the network sees it: features F (1, V, C, h, w) and masks (1, V, H, W) of its V views.

    The first view is the whole image, see `PrototypeNetwork.add_views`. picture: as in `Support`.
    """

    features: Tensor
    masks: Tensor
    picture: str


def encode_support(network: PrototypeNetwork, support: Support, whole: Tensor | None = None) -> EncodedSupport:
    """Encode an example, in all views that the network takes of it.

    whole: the features F (1, C, h, w) of the image, where they are known.
    """
    images, masks = network.add_views(support.image[None, None], support.mask[None, None])
    if whole is None:
        features = network.encode_shots(images)
    else:
        features = torch.cat([whole, *(network.image.features(view) for view in images[:, 1:].unbind(dim=1))])[None]
    return EncodedSupport(features, masks, support.picture)


def pool_example(
    network: PrototypeNetwork, encoded: EncodedSupport, name: str, fusion: ImageTextFusion | None
) -> ClassExample:
    """The vectors of one example.

    name: as the network reads it. fusion: one that was adapted to the class, or None for the network's own.
    """
    learned = network.learn_features(encoded.features, encoded.masks, (name,), fusion)
    fused = network.fuse(encoded.features[:, 0], learned.text, fusion)
    decision, text_channels = network.config.decision, network.image.text_channels
    similarity = name_similarity(fused, learned, learned.named, decision, text_channels)
    return ClassExample(
        learned.background[0].cpu(),
        learned.foreground[0].cpu(),
        None if learned.parts is None else learned.parts[0].cpu(),
        float(similarity),
        picture=encoded.picture,
    )


def learn_name(network: PrototypeNetwork, name: str, model: tuple[str, str]) -> ClassPrototype:
    """A class of which only the name is known. ConfigError for a network that reads no names."""
    network.encode_names((name,))
    return blank_class(network, name, name, model)


def blank_class(network: PrototypeNetwork, name: str, read: str, model: tuple[str, str]) -> ClassPrototype:
    """A class without an example. read: the name as the network reads it. model: as in `ClassPrototype`."""
    text = network.encode_names((read,))[0].detach().cpu() if network.config.reads_names else None
    nothing = torch.zeros(network.image.channels)  # taken from each image
    parts = torch.zeros(2, 1, len(nothing)) if network.config.part_prototypes else None
    return ClassPrototype(name, nothing, nothing.clone(), text, bool(read), 0, blank_thumbnail(), model, parts=parts)


def blank_thumbnail() -> NDArray[np.uint8]:
    """The thumbnail of a class without an image, (h, w, 3)."""
    return np.full((_THUMBNAIL, _THUMBNAIL, 3), _GREY, dtype=np.uint8)


def unlearn(network: PrototypeNetwork, learned: ClassPrototype) -> ClassPrototype:
    """The class without any example. DataError where its name is not read, since nothing would be known of it."""
    if not learned.reads_name:
        raise DataError(
            f"This is the only example of the class {learned.name!r}, whose name is not read; add another one first."
        )
    return blank_class(network, learned.name, learned.name, learned.model)


def check_model(learned: ClassPrototype, model: tuple[str, str]) -> None:
    """DataError for a class that another model has learned. model: fingerprint and description of the one in use."""
    if learned.model[0] != model[0]:
        raise DataError(
            f"The class {learned.name!r} was learned by another model ({learned.model[1]}, {learned.model[0]}) than "
            f"the one in use ({model[1]}, {model[0]}); take that one, or learn the class again."
        )


def with_examples(
    learned: ClassPrototype,
    examples: Sequence[ClassExample],
    config: DecisionConfig,
    thumbnail: NDArray[np.uint8] | None,
) -> ClassPrototype:
    """The class of these examples, at least one, under the name, text and fusion of ``learned``.

    thumbnail: of the first example; None where that stays.
    """
    background, foreground, parts = pool_examples(examples)
    known = [example.similarity for example in examples if example.similarity is not None]
    by_name = learned.by_name  # stays where an example does not say how similar it is
    if len(known) == len(examples):
        similarity = torch.tensor(known).mean(dim=0, keepdim=True)
        by_name = bool(recognises_name(similarity, torch.tensor([learned.reads_name]), config))
    return replace(
        learned,
        background=background,
        foreground=foreground,
        parts=parts,
        by_name=by_name,
        shots=sum(example.shots for example in examples),
        thumbnail=learned.thumbnail if thumbnail is None else thumbnail,
        examples=tuple(examples),
    )


def with_absence(learned: ClassPrototype, presence: Sequence[float], config: DecisionConfig) -> ClassPrototype:
    """The class with a threshold above these probabilities of presence, 0..1, and at least the network's own."""
    own = presence_thresholds(torch.tensor([learned.by_name]), torch.tensor([learned.shots]), config)
    return replace(learned, min_presence=max(float(own), threshold_above(presence)))


def threshold_above(presence: Sequence[float]) -> float:
    """The lowest threshold, at most 1, by which all images of these probabilities of presence are without a class."""
    highest = np.float32(max(presence))  # as presence is compared
    return min(1.0, float(np.nextafter(highest, np.float32(2))))


def replace_picture(examples: Sequence[ClassExample], new: ClassExample) -> tuple[ClassExample, ...]:
    """The examples with ``new`` in the place of those of the same picture; at the end where there are none."""
    places = [i for i, example in enumerate(examples) if example.picture == new.picture]
    place = places[0] if places else len(examples)
    before, after = ([e for e in part if e.picture != new.picture] for part in (examples[:place], examples[place:]))
    return (*before, new, *after)


def without_example(learned: ClassPrototype, index: int) -> tuple[ClassExample, ...]:
    """The examples of a class but that one. DataError where there is none of this number."""
    examples = learned.stored_examples
    if not 0 <= index < len(examples):
        raise DataError(f"The class {learned.name!r} has no example {index}; it has {len(examples)}, counted from 0.")
    return (*examples[:index], *examples[index + 1 :])
