"""Windows of an image as the encoder sees them, for clicks (our choice)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cdpnet.encoders.image import ImageEncoder
from cdpnet.inference.click_grid import ClickGrid
from cdpnet.inference.click_windows import MOST_ENLARGED, Box, longer_side, whole
from cdpnet.inference.preprocessing import resize_by, resize_to

_SIDE = 448  # pixels of the longer side of an enlarged window; 640 gave no better masks


def window_encoder(
    image: Tensor, encoder: ImageEncoder, longest_side: int, device: torch.device
) -> Callable[[Box], ClickGrid]:
    """What gives the grid of a window of an image (3, H, W) uint8.

    The image as a whole is reduced to a longer side of ``longest_side`` pixels. Other windows are reduced or enlarged
    to one of 448 pixels, but not more than `MOST_ENLARGED` times as large as in the whole.
    """
    size = image.shape[1], image.shape[2]
    largest = MOST_ENLARGED * min(1.0, longest_side / max(size))

    @torch.no_grad()
    def encode(window: Box) -> ClickGrid:
        part = image[:, window[0] : window[2], window[1] : window[3]]
        if window == whole(size):
            part = resize_to(part, longest_side)
        else:
            part = resize_by(part, min(largest, _SIDE / longer_side(window)))
        features, details = encoder.features_and_details(part[None].to(device))
        return ClickGrid(part, features[0].float().cpu(), [one[0].float().cpu() for one in details])

    return encode
