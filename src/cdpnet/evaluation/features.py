"""Features of images that many episodes show: each image is encoded once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import torch
from torch import Tensor

from cdpnet.network.network import PrototypeNetwork

_MOST_NUMBERS = 2**28  # in the features that are kept, 1 GiB in float32


class FeatureCache:
    """The features of the images used last, by what the images show, so no path or name reaches the network."""

    def __init__(self, network: PrototypeNetwork) -> None:
        self.network = network
        self._kept: OrderedDict[tuple[bytes, torch.Size, torch.dtype], Tensor] = OrderedDict()
        self._numbers = 0

    def features(self, image: Tensor) -> Tensor:
        """The features F (1, C, h, w) of an image (1, 3, H, W), on its device."""
        content = hashlib.sha256(image.cpu().contiguous().numpy().tobytes()).digest()
        precision = (
            torch.get_autocast_dtype(image.device.type) if torch.is_autocast_enabled(image.device.type) else None
        )
        key = (content, image.shape, precision or torch.float32)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = self.network.image.features(image)
        self._kept[key] = found
        self._numbers += found.numel()
        while self._numbers > _MOST_NUMBERS and len(self._kept) > 1:
            self._numbers -= self._kept.popitem(last=False)[1].numel()
        return found
