"""What travels through the system: an episode, a batch of episodes, and what the network answers.

Letters of shapes: B episodes, K shots, C channels, D text dimension, H x W pixels, h x w feature grid, N = h*w.
Masks hold 0 background, 1 foreground, 255 ignore. Pictures are uint8 or float in 0..1; the network normalises them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

IGNORE_INDEX = 255
BACKGROUND_NAME = "background"  # what everything else is called, in captions and beside a class name
NO_NAME = ""  # a class without a name: the network then works from the pictures alone


@dataclass(frozen=True)
class Episode:
    """One class, K labelled support pictures, one query with its true mask.

    support_images (K, 3, H, W), support_masks (K, H, W), query_image (3, H, W), query_mask (H, W).
    """

    support_images: Tensor
    support_masks: Tensor
    query_image: Tensor
    query_mask: Tensor
    class_name: str
    class_id: int


@dataclass(frozen=True)
class EpisodeBatch:
    """What the network may see of B episodes; the query masks are not among it.

    support_images (B, K, 3, H, W), support_masks (B, K, H, W), query_images (B, 3, H, W). Queries may differ in size
    from supports. A class name may be `NO_NAME`. vocabulary: in training, the names of the classes that the
    pictures may show.
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
        """The same pictures under other names."""
        return replace(self, class_names=tuple(class_names))


def collate(episodes: Sequence[Episode]) -> tuple[EpisodeBatch, Tensor]:
    """Stack episodes of one size; the query masks (B, H, W) travel apart from what the network sees."""
    batch = EpisodeBatch(
        torch.stack([episode.support_images for episode in episodes]),
        torch.stack([episode.support_masks for episode in episodes]),
        torch.stack([episode.query_image for episode in episodes]),
        tuple(episode.class_name for episode in episodes),
    )
    return batch, torch.stack([episode.query_mask for episode in episodes])


class Prototypes(NamedTuple):
    """What is learned of B classes: background and foreground (B, C); the projected name u (B, C), if names count."""

    background: Tensor
    foreground: Tensor
    text: Tensor | None

    @property
    def named(self) -> Tensor:
        """Which classes are known by a name, (B,) bool."""
        if self.text is None:
            return torch.zeros(self.foreground.shape[0], dtype=torch.bool, device=self.foreground.device)
        return self.text.abs().sum(dim=1) > 0


def mean_prototypes(shots: Sequence[Prototypes]) -> Prototypes:
    """What several shots of the same B classes teach, each learned apart: the method averages over shots."""
    return Prototypes(
        torch.stack([shot.background for shot in shots]).mean(dim=0),
        torch.stack([shot.foreground for shot in shots]).mean(dim=0),
        shots[0].text,
    )


def stack_prototypes(classes: Sequence[Prototypes]) -> Prototypes:
    """Classes learned apart as one batch of them; names count if all have one."""
    texts = [c.text for c in classes if c.text is not None]
    return Prototypes(
        torch.cat([c.background for c in classes]),
        torch.cat([c.foreground for c in classes]),
        torch.cat(texts) if len(texts) == len(classes) else None,
    )


@dataclass(frozen=True)
class Matches:
    """The logits (B, 2, h, w) of each match, background first; None where a switch leaves it out."""

    initial: Tensor  # S0, support prototypes
    adaptive: Tensor | None  # S1, with the query's own prototypes
    refined: Tensor | None  # S2, once more
    output: Tensor  # their mix, the answer on the feature grid


@dataclass(frozen=True)
class Prediction:
    """The network's answer, and the intermediate results that the loss needs.

    logits (B, 2, H, W) at the query's size. query_features (B, C, h, w) and support_features (B, K, C, h, w) are the
    fused features F^m; supports are absent where a class was learned earlier. naming (B, K + 1, n + 1, h, w), supports
    first: the match of every location with n names and, last, the background; where the batch has a vocabulary.
    """

    logits: Tensor
    matches: Matches
    prototypes: Prototypes
    query_features: Tensor
    support_features: Tensor | None = None
    naming: Tensor | None = None

    @property
    def masks(self) -> Tensor:
        """The predicted masks, (B, H, W) int64, 0 or 1."""
        return self.logits.argmax(dim=1)

    @property
    def scores(self) -> Tensor:
        """The probability of the foreground, (B, H, W)."""
        return self.logits.softmax(dim=1)[:, 1]
