"""Novel classes of each fold."""

from __future__ import annotations

from typing import Literal

FoldConvention = Literal["interleaved", "consecutive"]
N_FOLDS = 4
ALL_FOLDS = -1  # in place of a fold: train on all classes, so that none is novel


def novel_classes(n_classes: int, fold: int, convention: FoldConvention) -> tuple[int, ...]:
    """The novel classes of a fold, numbered from 1.

    ``consecutive``: a quarter of the classes in a row (PASCAL-5i everywhere; COCO-20i in PANet and SSP).
    ``interleaved``: every fourth class (COCO-20i in HSNet and PFENet). Where the number of classes is not divisible by
    four, the sizes of the folds differ by one class (our choice).
    """
    if convention == "interleaved":
        return tuple(range(1 + fold, n_classes + 1, N_FOLDS))
    first, end = (fold * n_classes // N_FOLDS, (fold + 1) * n_classes // N_FOLDS)
    return tuple(range(1 + first, 1 + end))
