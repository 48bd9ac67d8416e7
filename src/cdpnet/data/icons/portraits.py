"""Captioned images for contrastive pretraining: portraits of *all* classes, with captions and without masks.

CLIP has seen the names of all classes of PASCAL and COCO before a few-shot network is trained on some of them; the
embedded encoder gets the same start. For every class with glyphs of three or more families, the glyphs of one family
are held out to measure what was learned.
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
_CHOICE_STREAM = 7  # of the choice of objects; the scene itself uses stream 0
_MENTIONED = 0.02  # share of the image that an object must cover to be mentioned in the caption


@dataclass(frozen=True)
class Words:
    """The texts of captions: n_names names, `BACKGROUND_NAME` the last of them, then the categories.

    category: (n_names,) int64, position of each name's category among the categories, -1 for the background.
    """

    texts: tuple[str, ...]
    n_names: int
    category: Tensor


class Portraits(NamedTuple):
    """B images with captions.

    images (B, 3, 64, 64) in 0..1. main (B,): number of the main object's name. said (B, n_names) bool: the names in the
    caption.
    """

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
    """True for the glyphs that pretraining never shows: (G,) bool, one family of every class that has three or more."""
    held = torch.zeros(len(sprites().class_id), dtype=torch.bool)
    for class_id, noun in enumerate(nouns()):
        if len(noun.families) >= 3:
            choice = hashlib.sha256(f"held out {noun.name}".encode()).digest()[0] % len(noun.families)
            held[sprites().of(class_id, FAMILIES.index(noun.families[choice]))] = True
    return held


def portraits(seed: int, index: Tensor, empty_share: float) -> Portraits:
    """Images by number, (B,) int64, of a main object and up to two others; a share of ``empty_share`` has no object."""
    glyphs = _pretraining_glyphs()
    n_classes = glyphs.shape[0]
    u = uniform(keys(seed, index, _CHOICE_STREAM), 3)
    main = pick(u[:, 0], n_classes)
    glyph = glyphs[main, pick(u[:, 1], (glyphs[main] >= 0).sum(dim=1))]
    empty = u[:, 2] < empty_share
    main, glyph = torch.where(empty, n_classes, main), torch.where(empty, -1, glyph)
    scenes = compose(seed, index, glyph, glyphs[glyphs >= 0], PORTRAIT)
    return Portraits(scenes.images, main, _caption(scenes.labels, n_classes))


def _caption(labels: Tensor, n_classes: int) -> Tensor:
    """Labels (B, H, W) -> the names in the caption, (B, classes + 1) bool; the background is always among them."""
    pixels = labels.flatten(1)
    count = torch.zeros(len(pixels), n_classes + 1).scatter_add_(1, pixels, torch.ones(pixels.shape))
    visible = count[:, 1:] >= _MENTIONED * pixels.shape[1]
    return torch.cat((visible, torch.ones(len(pixels), 1, dtype=torch.bool)), dim=1)


@lru_cache(maxsize=1)
def _pretraining_glyphs() -> Tensor:
    """The glyphs that pretraining shows, by class, padded with -1: (classes, largest number of glyphs)."""
    held = held_out_drawings()
    rows = [sprites().of(class_id) for class_id in range(len(nouns()))]
    rows = [row[~held[row]] for row in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
