"""What a class keeps of each of its examples: pooled vectors, from which the class can be put together again.

So a class is extended, corrected and reduced without its images, and gives what learning from the same examples at
once would give, bit for bit. No image and no feature map is kept, so a class file gives no image away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ClassExample:
    """One example of a class.

    background, foreground: prototypes (C,). parts: (2, n, C), see `part_prototypes`, or None. similarity: of the
    example and the name, see `name_similarity`; None where it is unknown. shots: 1, or the number of examples of a
    class that version 0.2 has learned, which it kept as one. picture: SHA-256 of the image, by which the same image is
    known again; empty where it is unknown.
    """

    background: Tensor
    foreground: Tensor
    parts: Tensor | None
    similarity: float | None
    shots: int = 1
    picture: str = ""


class PooledExamples(NamedTuple):
    """The prototypes of a class from its examples: background, foreground (C,), and parts (2, n, C) or None."""

    background: Tensor
    foreground: Tensor
    parts: Tensor | None


def pool_examples(examples: Sequence[ClassExample]) -> PooledExamples:
    """The mean over shots, as the method takes it; the parts of all examples are kept."""
    weights = torch.tensor([float(example.shots) for example in examples])[:, None]

    def mean(vectors: Sequence[Tensor]) -> Tensor:
        return (weights * torch.stack(list(vectors))).sum(dim=0) / weights.sum()

    parts = [example.parts for example in examples if example.parts is not None]
    return PooledExamples(
        mean([example.background for example in examples]),
        mean([example.foreground for example in examples]),
        torch.cat(parts, dim=1) if parts else None,
    )
