"""Windows of an image as the encoder sees them, for clicks (our choice)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cdpnet.encoders.image import ImageEncoder
from cdpnet.inference.click_grid import ClickGrid
from cdpnet.inference.click_windows import MOST_ENLARGED, Box, longer_side, whole
from cdpnet.inference.preprocessing import resize_to
from cdpnet.io.image_tensors import resize_image

_SIDE = 448  # pixels of the longer side of an enlarged window; 640 gave no better masks
_SHORTEST_SIDE = 32  # pixels that an encoder needs


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
            scale = min(largest, _SIDE / longer_side(window))
            height, width = (max(_SHORTEST_SIDE, round(side * scale)) for side in part.shape[1:])
            part = resize_image(part, (height, width))
        batch = part[None].to(device)
        features, details = encoder.features(batch)[0].float().cpu(), encoder.details(batch)
        return ClickGrid(part, features, [one[0].float().cpu() for one in details])

    return encode
