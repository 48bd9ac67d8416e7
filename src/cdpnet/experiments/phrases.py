"""The phrases on which the text tower is distilled: names, definitions and made-up combinations (our choice)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from timm.data import ImageNetInfo
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

N_HELD_OUT = 2000
_WORDS, _FREQUENT, _COMBINATIONS = 110_000, 12_000, 300_000
_LONGEST = 80  # characters of a combination
_SEED = 0


@dataclass(frozen=True)
class Phrases:
    """train: the phrases to learn from. held_out: names of ImageNet-21k that are not among them."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def class_names() -> tuple[str, ...]:
    """The 1,000 class names of ImageNet, in the order of its classifiers; of several names of a class the first."""
    info = ImageNetInfo("imagenet1k")
    return tuple(info.index_to_description(i, detailed=False).split(",")[0].strip() for i in range(1000))


def coco_names() -> tuple[str, ...]:
    """The names of COCO's 80 classes, as torchvision lists them."""
    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return tuple(name for name in names if name not in ("__background__", "N/A"))


def draw_phrases() -> Phrases:
    """Names and definitions of ImageNet-21k, pieces of the definitions, English words, and combinations of these.

    The words are those of Webster's second edition, in the public domain. ConfigError where their package is missing.
    """
    rng = random.Random(_SEED)
    names, definitions = sorted(imagenet_names()), _definitions()
    held_out = set(rng.sample(names, N_HELD_OUT))
    pieces = {piece for definition in definitions for piece in _pieces(definition, rng)}
    words = _english_words()
    rng.shuffle(words)
    words = words[:_WORDS]
    counts = Counter(word.lower().strip("();,.") for definition in definitions for word in definition.split())
    frequent = [word for word, _ in counts.most_common(_FREQUENT) if word.isalpha()]
    known = [name for name in names if name not in held_out]
    combinations = _combinations(frequent, known, words, rng)
    train = sorted({*known, *definitions, *pieces, *words, *frequent, *combinations} - held_out)
    rng.shuffle(train)
    return Phrases(tuple(train), tuple(sorted(held_out)))


def imagenet_names() -> frozenset[str]:
    """The names of the classes of ImageNet-21k; some classes have several."""
    info = ImageNetInfo("imagenet21k")
    descriptions = (info.index_to_description(i, detailed=False) for i in range(info.num_classes()))
    return frozenset(name.strip() for names in descriptions for name in names.split(",")) - {""}


def _definitions() -> list[str]:
    """The definitions of the classes of ImageNet-21k, sorted."""
    info = ImageNetInfo("imagenet21k")
    described = {info.index_to_description(i, detailed=True) for i in range(info.num_classes())}
    return sorted({text.split(":", 1)[1].strip() if ":" in text else text for text in described})


def _pieces(definition: str, rng: random.Random) -> list[str]:
    """Four runs of two to six words of a definition, where it has more."""
    words = definition.replace(";", " ").replace(",", " ").split()
    pieces = []
    for _ in range(4):
        length = rng.randint(2, 6)
        if len(words) > length:
            start = rng.randrange(len(words) - length)
            pieces.append(" ".join(words[start : start + length]))
    return pieces


def _english_words() -> list[str]:
    from english_words import get_english_words_set

    return sorted(get_english_words_set(["web2"], lower=True))


def _combinations(frequent: list[str], names: list[str], words: list[str], rng: random.Random) -> set[str]:
    """Two or three words or names beside each other, mostly frequent ones."""
    combinations: set[str] = set()
    while len(combinations) < _COMBINATIONS:
        parts = [
            rng.choice(frequent) if rng.random() < 0.6 else rng.choice(names if rng.random() < 0.6 else words)
            for _ in range(rng.choice((2, 2, 3)))
        ]
        combinations.add(" ".join(parts)[:_LONGEST])
    return combinations
