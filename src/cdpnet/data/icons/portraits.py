"""Captioned images for contrastive pretraining: portraits of *all* classes, with words and without masks.

CLIP has read about every class of PASCAL and COCO before a few-shot network is trained on some of them; the embedded
encoder is given the same start. For every class drawn in three or more families one family's drawing is held out, to
measure what was learned.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from cdpnet.data.icons.glyphs import FAMILIES, nouns, sprites
from cdpnet.data.icons.scenes import SceneLayout, compose
from cdpnet.episode import BACKGROUND_NAME
from cdpnet.runtime.rng import keys, pick, uniform

PORTRAIT = SceneLayout(size=64, target=(0.45, 1.0), others=(0, 2), other=(0.2, 0.5), smallest_target=0.06)
_CHOICE_STREAM = 7  # random numbers that choose what an image shows; the scene itself uses stream 0
_MENTIONED = 0.02  # share of the image from which a caption mentions what stands beside the main object


@dataclass(frozen=True)
class Words:
    """What can be said of an image: n_names names, `BACKGROUND_NAME` the last of them, then the categories.

    category: (n_names,) the category of each name, -1 for the background.
    """

    texts: tuple[str, ...]
    n_names: int
    category: Tensor


class Portraits(NamedTuple):
    """images (B, 3, 64, 64) in 0..1; main (B,), the name of the main object; said (B, n_names) bool, the caption."""

    images: Tensor
    main: Tensor
    said: Tensor


def words() -> Words:
    """The names and categories of the embedded data set."""
    categories = sorted({noun.category for noun in nouns()})
    names = [noun.name for noun in nouns()] + [BACKGROUND_NAME]
    category = torch.tensor([categories.index(noun.category) for noun in nouns()] + [-1])
    return Words((*names, *categories), len(names), category)


def held_out_drawings() -> Tensor:
    """True for the glyphs never shown in pretraining: (G,) bool, one family of every class drawn in three or more."""
    held = torch.zeros(len(sprites().class_id), dtype=torch.bool)
    for class_id, noun in enumerate(nouns()):
        if len(noun.families) >= 3:
            choice = hashlib.sha256(f"held out {noun.name}".encode()).digest()[0] % len(noun.families)
            held[sprites().of(class_id, FAMILIES.index(noun.families[choice]))] = True
    return held


def portraits(seed: int, index: Tensor, empty_share: float) -> Portraits:
    """Images by number, (B,) int64, of a main object, of up to two others, or (``empty_share``) of nothing at all."""
    glyphs = _shown_glyphs()
    n_classes = glyphs.shape[0]
    u = uniform(keys(seed, index, _CHOICE_STREAM), 3)
    main = pick(u[:, 0], n_classes)
    glyph = glyphs[main, pick(u[:, 1], (glyphs[main] >= 0).sum(dim=1))]
    empty = u[:, 2] < empty_share
    main, glyph = torch.where(empty, n_classes, main), torch.where(empty, -1, glyph)
    scenes = compose(seed, index, glyph, glyphs[glyphs >= 0], PORTRAIT)
    return Portraits(scenes.images, main, _caption(scenes.labels, n_classes))


def _caption(labels: Tensor, n_classes: int) -> Tensor:
    """Labels (B, H, W) -> which names the caption holds, (B, classes + 1) bool; the background is always said."""
    pixels = labels.flatten(1)
    count = torch.zeros(len(pixels), n_classes + 1).scatter_add_(1, pixels, torch.ones(pixels.shape))
    visible = count[:, 1:] >= _MENTIONED * pixels.shape[1]
    return torch.cat((visible, torch.ones(len(pixels), 1, dtype=torch.bool)), dim=1)


@lru_cache(maxsize=1)
def _shown_glyphs() -> Tensor:
    """The glyphs of pretraining by class, padded with -1: (classes, most)."""
    held = held_out_drawings()
    rows = [sprites().of(class_id) for class_id in range(len(nouns()))]
    rows = [row[~held[row]] for row in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
