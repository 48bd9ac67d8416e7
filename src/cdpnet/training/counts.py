"""What decisions of a network are fitted on: pixels of masks at several log-odds, and the mIoU of their counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cdpnet.data.protocols.folds import ALL_FOLDS
from cdpnet.data.source import DrawnEpisodes, EpisodeSource
from cdpnet.errors import ConfigError
from cdpnet.evaluation.loop import to_scoring_size
from cdpnet.evaluation.results import refuse_seen_classes
from cdpnet.network.decision import decide, log_odds
from cdpnet.network.record import TrainingRecord
from cdpnet.runtime.constants import IGNORE_INDEX


def check_base_classes(record: TrainingRecord | None, episodes: EpisodeSource, what: str) -> None:
    """ConfigError where training had masks of the classes that a network shall be fitted and measured on.

    what: the network is for its fold, such as calibrated.
    """
    if episodes.fold != ALL_FOLDS:
        refuse_seen_classes(record, episodes)
    elif record is not None:
        raise ConfigError(
            f"A network that was trained is {what} for its fold, on classes that it did not see; give --fold."
        )


def count_pixels(
    logits: Tensor, shown: DrawnEpisodes, truth: Tensor, levels: Sequence[float]
) -> tuple[int, list[int], list[int]]:
    """Pixels of the object, of the answer at each of some log-odds inside it, and of the whole answer.

    logits: (1, 2, h, w) of the query of ``shown``. truth: (1, H, W) where it is scored.
    """
    scored = to_scoring_size(logits, shown.unpadded_size, truth.shape[-2:]).cpu()
    odds = log_odds(scored)[:, None]
    answers = [decide(odds, absent=None, background=level) == 1 for level in levels]
    inside = [int((answer & (truth == 1)).sum()) for answer in answers]
    answered = [int((answer & (truth != IGNORE_INDEX)).sum()) for answer in answers]
    return int((truth == 1).sum()), inside, answered


def miou_of_counts(class_ids: NDArray[np.int64], inside: NDArray[np.int64], union: NDArray[np.int64]) -> float:
    """The mIoU in percent of images (T,), whose pixels are counted for each class over all of them."""
    ious = [inside[class_ids == one].sum() / union[class_ids == one].sum() for one in np.unique(class_ids)]
    return 100 * float(np.mean(ious))
