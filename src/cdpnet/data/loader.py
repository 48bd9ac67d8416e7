"""Batches of episodes, drawn by any number of worker processes: always the same ones, in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cdpnet.data.source import DrawnEpisodes, EpisodeSource
from cdpnet.errors import CdpnetError


@dataclass
class _Batches(Dataset["DrawnEpisodes | CdpnetError"]):
    """The batches of a run by number; each is a pure function of its episodes' numbers."""

    episodes: EpisodeSource
    index: Sequence[Tensor]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> DrawnEpisodes | CdpnetError:
        try:
            return self.episodes.draw(self.index[number])
        except CdpnetError as error:  # raised in a worker, its message would contain the worker's traceback
            return error


def batches(episodes: EpisodeSource, index: Sequence[Tensor], workers: int = 0) -> Iterator[DrawnEpisodes]:
    """Draw the batches of the episode numbers ``index``, each (B,) int64, in order.

    workers: number of processes that draw batches in advance; 0 draws in this process. Errors of the data are raised
    as they are, also from a worker.
    """
    loader: Any = DataLoader(_Batches(episodes, index), batch_size=None, num_workers=workers)
    for drawn in loader:
        if isinstance(drawn, CdpnetError):
            raise drawn
        yield drawn
