"""Pictures for people: grids with headings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_INK, _PAPER, _QUIET = (32, 36, 44), (255, 255, 255), (108, 116, 128)


def to_image(picture: Tensor) -> Image.Image:
    """A picture (3, H, W) uint8 as a PIL image."""
    return Image.fromarray(picture.permute(1, 2, 0).cpu().numpy())


def grid(rows: Sequence[tuple[str, Sequence[Image.Image]]], headings: Sequence[str], cell: int = 160) -> Image.Image:
    """Rows of pictures with a caption each under common headings; every picture is fitted into a square of ``cell``."""
    gap, left, top = 10, 190, 44
    canvas = Image.new("RGB", (left + len(headings) * (cell + gap) + gap, top + len(rows) * (cell + gap) + gap), _PAPER)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(17), ImageFont.load_default(14)
    for column, heading in enumerate(headings):
        draw.text((left + column * (cell + gap) + cell / 2, top / 2), heading, _INK, large, anchor="mm")
    for line, (caption, pictures) in enumerate(rows):
        y = top + line * (cell + gap)
        first, _, second = caption.partition("\n")
        draw.text((left - 14, y + cell / 2 - (10 if second else 0)), first, _INK, large, anchor="rm")
        draw.text((left - 14, y + cell / 2 + 12), second, _QUIET, small, anchor="rm")
        for column, picture in enumerate(pictures):
            shown = picture.copy()
            scale = cell / max(shown.size)
            shown = shown.resize((max(1, round(shown.width * scale)), max(1, round(shown.height * scale))))
            x = left + column * (cell + gap)
            canvas.paste(shown, (x + (cell - shown.width) // 2, y + (cell - shown.height) // 2))
    return canvas


def as_labels(mask: Tensor) -> NDArray[np.uint8]:
    """A mask tensor (H, W) as an array of labels."""
    return mask.to(torch.uint8).cpu().numpy()
