"""A batch of episodes: all that the network may see.

Letters of shapes: B episodes, K shots, C channels, D text dimension, H x W pixels, h x w feature grid, N = h*w.
Masks hold 0 background, 1 foreground, 255 ignore. Images are uint8 or float in 0..1; the network normalises them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

BACKGROUND_NAME = "background"  # what everything else is called, in captions and beside a class name
NO_NAME = ""  # a class without a name: the network then works from the images alone


@dataclass(frozen=True)
class EpisodeBatch:
    """What the network may see of B episodes; the query masks are not among it.

    support_images (B, K, 3, H, W), support_masks (B, K, H, W), query_images (B, 3, H, W). Queries may differ in size
    from supports. A class name may be `NO_NAME`. vocabulary: in training, the names of the classes that the
    images may show.
    """

    support_images: Tensor
    support_masks: Tensor
    query_images: Tensor
    class_names: tuple[str, ...]
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.support_images.ndim != 5 or self.query_images.ndim != 4:
            raise ValueError(
                "An episode batch takes support_images (B, K, 3, H, W) and query_images (B, 3, H, W), not "
                f"{tuple(self.support_images.shape)} and {tuple(self.query_images.shape)}."
            )
        masks, images = self.support_masks.shape, self.support_images.shape
        if masks != images[:2] + images[3:]:
            raise ValueError(f"support_masks {tuple(masks)} do not fit support_images {tuple(images)}.")
        if not len(self.class_names) == images[0] == self.query_images.shape[0]:
            raise ValueError(
                f"{len(self.class_names)} class names, {images[0]} support sets and {self.query_images.shape[0]} "
                "queries: an episode batch needs as many of each."
            )

    def to(self, device: torch.device | str) -> EpisodeBatch:
        """The same batch on another device."""
        return replace(
            self,
            support_images=self.support_images.to(device),
            support_masks=self.support_masks.to(device),
            query_images=self.query_images.to(device),
        )

    def with_names(self, class_names: Sequence[str]) -> EpisodeBatch:
        """The same images under other names."""
        return replace(self, class_names=tuple(class_names))
