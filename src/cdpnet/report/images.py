"""Images for people: grids of episodes, and images inside pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cdpnet.io.image_tensors import resize_image
from cdpnet.labels.overlay import overlay

if TYPE_CHECKING:
    from cdpnet.data.source import DrawnEpisodes

_INK, _PAPER, _QUIET = (32, 36, 44), (255, 255, 255), (108, 116, 128)


def to_image(image: Tensor) -> Image.Image:
    """An image (3, H, W) uint8 as a PIL image."""
    return Image.fromarray(image.permute(1, 2, 0).cpu().numpy())


def example_image(thumbnail: NDArray[np.uint8], index: int) -> Image.Image:
    """The thumbnail of a class with its mask in the colour that the class of this index has in overlays.

    (h, w, 4) with the mask as the fourth channel; without one, (h, w, 3), it stays as it is.
    """
    if thumbnail.shape[2] == 3:  # no example, or a class file of before, whose mask has a colour already
        return Image.fromarray(thumbnail)
    marked = np.where(thumbnail[..., 3] > 0, index, 0).astype(np.uint8)
    return overlay(torch.from_numpy(thumbnail[..., :3]).permute(2, 0, 1), marked)


def data_address(image: Image.Image) -> str:
    """An image as an address that holds it, for pages of a single file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def grid(rows: Sequence[tuple[str, Sequence[Image.Image]]], headings: Sequence[str], cell: int = 160) -> Image.Image:
    """Rows of images with a caption each under common headings; every image is fitted into a square of ``cell``."""
    gap, left, top = 10, 190, 44
    canvas = Image.new("RGB", (left + len(headings) * (cell + gap) + gap, top + len(rows) * (cell + gap) + gap), _PAPER)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(17), ImageFont.load_default(14)
    for column, heading in enumerate(headings):
        draw.text((left + column * (cell + gap) + cell / 2, top / 2), heading, _INK, large, anchor="mm")
    for line, (caption, images) in enumerate(rows):
        y = top + line * (cell + gap)
        first, _, second = caption.partition("\n")
        draw.text((left - 14, y + cell / 2 - (10 if second else 0)), first, _INK, large, anchor="rm")
        draw.text((left - 14, y + cell / 2 + 12), second, _QUIET, small, anchor="rm")
        for column, image in enumerate(images):
            shown = image.copy()
            scale = cell / max(shown.size)
            shown = shown.resize((max(1, round(shown.width * scale)), max(1, round(shown.height * scale))))
            x = left + column * (cell + gap)
            canvas.paste(shown, (x + (cell - shown.width) // 2, y + (cell - shown.height) // 2))
    return canvas


def episode_images(drawn: DrawnEpisodes, i: int, answers: dict[str, Tensor]) -> dict[str, Image.Image]:
    """Support, query, truth and named answers (H, W) of episode ``i`` of a batch, masks laid over the images."""
    support, query = drawn.batch.support_images[i, 0], _as_scored(drawn, i)
    masks = {"truth": drawn.query_masks[i], **answers}
    return {
        "support": overlay(support, as_labels(drawn.batch.support_masks[i, 0])),
        "query": to_image(query),
        **{name: overlay(query, as_labels(mask)) for name, mask in masks.items()},
    }


def _as_scored(drawn: DrawnEpisodes, i: int) -> Tensor:
    """The query of episode ``i`` in the space where it is scored, without padding: (3, H, W)."""
    query, truth = drawn.batch.query_images[i], drawn.query_masks[i]
    if drawn.unpadded_size is not None:
        query = query[:, : drawn.unpadded_size[0], : drawn.unpadded_size[1]]
    return query if query.shape[1:] == truth.shape else resize_image(query, (truth.shape[0], truth.shape[1]))


def as_labels(mask: Tensor) -> NDArray[np.uint8]:
    """A mask tensor (H, W) as an array of labels."""
    return mask.to(torch.uint8).cpu().numpy()
