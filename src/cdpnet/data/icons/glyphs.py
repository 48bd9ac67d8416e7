"""The classes of the embedded data set and their glyphs, from four families of icon fonts in the package `qtawesome`.

A family is a style; outlined and filled glyphs of one family have the same style. A glyph is rendered as a sprite of
two layers: its *ink* as the font has it, and its *body*, the filled outline.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from torch import Tensor

from cdpnet.errors import DataError

SPRITE_SIZE = 64
_OVERSAMPLING = 2
N_FOLDS = 4

_FONTS = {
    "fa": "fontawesome6-solid-webfont{}-6.7.2",
    "mdi": "materialdesignicons6-webfont{}-6.9.96",
    "ph": "phosphor{}-1.3.0",
    "ri": "remixicon{}-2.5.0",
}
FAMILIES = tuple(_FONTS)


@dataclass(frozen=True)
class Noun:
    """A class of the embedded data set: its name, its category, and its glyph names by style (``ph-fill``, ...)."""

    name: str
    category: str
    glyphs: tuple[tuple[str, str], ...]

    @property
    def families(self) -> tuple[str, ...]:
        """The families that have a glyph of this noun, in the order of `FAMILIES`."""
        own = {style.split("-")[0] for style, _ in self.glyphs}
        return tuple(family for family in FAMILIES if family in own)


@lru_cache(maxsize=1)
def nouns() -> tuple[Noun, ...]:
    """All classes, sorted by name; the position of a noun is its class id."""
    table = json.loads(resources.files("cdpnet.data.icons").joinpath("nouns.json").read_text(encoding="utf-8"))
    return tuple(Noun(name, row["category"], tuple(row["glyphs"].items())) for name, row in sorted(table.items()))


@lru_cache(maxsize=1)
def fold_of_class() -> tuple[int | None, ...]:
    """Fold 0..3 in which each class is novel; None for the nouns of one family, which are base classes in every fold.

    Classes are assigned in turn, in the order of a hash of their names, so that a new noun changes few other folds.
    """
    several = [i for i, noun in enumerate(nouns()) if len(noun.families) >= 2]
    several.sort(key=lambda i: hashlib.sha256(nouns()[i].name.encode()).digest())
    folds: list[int | None] = [None] * len(nouns())
    for position, class_id in enumerate(several):
        folds[class_id] = position % N_FOLDS
    return tuple(folds)


@dataclass(frozen=True)
class Sprites:
    """Every glyph as a sprite. G glyphs, S = SPRITE_SIZE.

    layers: (G, 2, S, S) float32 in 0..1, ink and body. class_id, family: (G,) int64, family as position in `FAMILIES`.
    """

    layers: Tensor
    class_id: Tensor
    family: Tensor

    def of(self, class_id: int, family: int | None = None) -> Tensor:
        """Glyph numbers of a class, of one family if given: (n,) int64."""
        chosen = self.class_id == class_id
        if family is not None:
            chosen &= self.family == family
        return chosen.nonzero().flatten()


@lru_cache(maxsize=1)
def sprites() -> Sprites:
    """All sprites, rendered once in a process (about a second). DataError where the icon fonts are missing."""
    layers, class_ids, families = [], [], []
    for class_id, noun in enumerate(nouns()):
        for style, glyph in noun.glyphs:
            family = style.split("-")[0]
            layers.append(_render(family, glyph))
            class_ids.append(class_id)
            families.append(FAMILIES.index(family))
    return Sprites(torch.stack(layers), torch.tensor(class_ids), torch.tensor(families))


@lru_cache(maxsize=len(_FONTS))
def _font(family: str) -> tuple[ImageFont.FreeTypeFont, dict[str, str]]:
    # The package's __init__ imports Qt, so its folder is found without importing it.
    spec = importlib.util.find_spec("qtawesome")
    if spec is None or spec.origin is None:
        raise DataError("The embedded images need the package qtawesome: pip install 'qtawesome>=1.4,<2'.")
    folder = Path(spec.origin).parent / "fonts"
    font, names = folder / (_FONTS[family].format("") + ".ttf"), folder / (_FONTS[family].format("-charmap") + ".json")
    if not font.is_file() or not names.is_file():
        raise DataError(f"The installed qtawesome has no file {font.name}; the embedded images need qtawesome 1.4.")
    return ImageFont.truetype(str(font), _OVERSAMPLING * SPRITE_SIZE), json.loads(names.read_text(encoding="utf-8"))


def _render(family: str, glyph: str) -> Tensor:
    """One glyph, centred, its longer side nearly as long as the sprite: (2, S, S) float32."""
    font, names = _font(family)
    large, margin = _OVERSAMPLING * SPRITE_SIZE, 6
    canvas = Image.new("L", (2 * large, 2 * large))
    ImageDraw.Draw(canvas).text((large, large), chr(int(names[glyph], 16)), fill=255, font=font, anchor="mm")
    box = canvas.getbbox()
    if box is None:
        raise DataError(f"The glyph {glyph!r} of the icon font {family!r} is empty in the installed qtawesome.")
    cropped = canvas.crop(box)
    scale = (large - 2 * margin) / max(cropped.size)
    scaled = cropped.resize((max(1, round(cropped.width * scale)), max(1, round(cropped.height * scale))))
    ink = Image.new("L", (large, large))
    ink.paste(scaled, ((large - scaled.width) // 2, (large - scaled.height) // 2))
    layers = np.stack([np.asarray(ink), _fill(np.asarray(ink))]).astype(np.float32) / 255
    blocks = layers.reshape(2, SPRITE_SIZE, _OVERSAMPLING, SPRITE_SIZE, _OVERSAMPLING)
    return torch.from_numpy(blocks.mean(axis=(2, 4)))


def _fill(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The ink and everything that it encloses, 255 or 0; small gaps in the ink are closed first."""
    closed = ndimage.grey_closing(ink, size=(5, 5)) > 96
    regions, _ = ndimage.label(~closed)
    return np.where(regions == regions[0, 0], 0, 255).astype(np.uint8)
