"""Scores of a large image: of the whole made small, and of tiles for a class that it does not show."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

from cdpnet.inference.class_batch import ClassBatch
from cdpnet.inference.scoring import Scores, Scoring
from cdpnet.network.network import PrototypeNetwork

SIDE = 64


class Bright(Scoring):
    """Finds what is bright; every tile differs from the others by up to 2 in its log-odds.

    In an image made small it sees nothing if ``sees_whole`` is false.
    """

    sees_whole = True
    seen: list[tuple[int, ...]]
    passes: list[int]

    def score(
        self, images: Sequence[Tensor], classes: ClassBatch, encoded: Sequence[Tensor] | None = None
    ) -> list[Scores]:
        if max(images[0].shape[-2:]) > SIDE:
            return super().score(images, classes, encoded)
        self.passes.append(len(images))
        return [self._find(image) for image in images]

    def _find(self, image: Tensor) -> Scores:
        self.seen.append(tuple(image.shape))
        is_whole = len(self.seen) == 1
        brightness = image[:1].float() / 255
        offset = 0 if is_whole else len(self.seen) % 3 - 1
        presence = torch.tensor([0.9 if self.sees_whole or not is_whole else 0.1])
        return Scores(12 * brightness - 6 + offset, presence)


class OneClass:
    """What the scoring of tiles reads of a batch of classes."""

    presence_thresholds = torch.tensor([0.5])

    def __len__(self) -> int:
        return 1


def bright(*, sees_whole: bool = True, device: str = "cpu") -> Bright:
    decision = SimpleNamespace(background=0.0)
    network = SimpleNamespace(
        config=SimpleNamespace(decision=decision), parameters=lambda: iter([torch.zeros(1, device=device)])
    )
    scoring = Bright(cast("PrototypeNetwork", network), SIDE, "float32", refine=False)
    object.__setattr__(scoring, "seen", [])
    object.__setattr__(scoring, "passes", [])
    object.__setattr__(scoring, "sees_whole", sees_whole)
    return scoring


def disc(radius: int) -> Tensor:
    """An image (3, 112, 160) with a disc in its middle, where tiles of 64 pixels meet."""
    y, x = torch.meshgrid(torch.arange(112), torch.arange(160), indexing="ij")
    return ((y - 56) ** 2 + (x - 80) ** 2 < radius**2).to(torch.uint8).mul(255).expand(3, -1, -1)


def score(scoring: Bright, image: Tensor) -> Scores:
    return scoring.score([image], cast("ClassBatch", OneClass()))[0]


def test_an_object_over_the_border_of_tiles_has_no_seam() -> None:
    scoring, image = bright(sees_whole=False), disc(20)
    found = score(scoring, image)
    assert len(scoring.seen) == 1 + 6
    mask, truth = found.log_odds[0] > 0, image[0] > 0
    assert mask.equal(truth)
    steps = found.log_odds[0].sigmoid().diff(dim=1)[~truth[:, 1:] & ~truth[:, :-1]].abs()
    assert steps.max() < 0.002  # tiles themselves differ by up to 0.006
    assert found.presence.tolist() == pytest.approx([0.9])


def test_what_the_whole_shows_is_not_tiled() -> None:
    scoring = bright(sees_whole=True)
    found = score(scoring, disc(50))
    assert scoring.seen == [(3, 45, 64)]
    assert found.log_odds.shape == (1, 45, 64)


def test_tiles_share_encoder_passes_but_on_a_cpu() -> None:
    """Twelve tiles in passes of at most eight have the scores of one tile in each pass."""
    image = torch.randint(0, 256, (3, 160, 208), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    alone, together = bright(sees_whole=False), bright(sees_whole=False, device="meta")  # as another device would be
    expected, found = score(alone, image), score(together, image)
    assert alone.passes == [1] * 13
    assert together.passes == [1, 8, 4]
    assert found.log_odds.equal(expected.log_odds)
    assert found.presence.equal(expected.presence)
