"""The tables of `cdpnet models`, for the terminal and for the manual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cdpnet.encoders.facts import ModelFacts

NOT_MEASURED = "not measured"


class Columns(NamedTuple):
    """The headings of a table, and the cells of one model."""

    headings: tuple[str, ...]
    cells: Callable[[ModelFacts], tuple[str, ...]]

    def rows(self, facts: Sequence[ModelFacts]) -> list[tuple[str, ...]]:
        """The cells of several models."""
        return [self.cells(model) for model in facts]


def _cost(model: ModelFacts) -> tuple[str, ...]:
    size = (f"{model.parameters:.1f} M", str(model.stride), f"{model.longest_side} px")
    return (model.name, *size, f"{model.seconds:.2f}", NOT_MEASURED, f"{model.memory:,.0f}")


def _quality(model: ModelFacts) -> tuple[str, ...]:
    return (model.name, *_scores(model.photographs), *_scores(model.icons))


def _weights(model: ModelFacts) -> tuple[str, ...]:
    where = (_repository(place) for place in (model.image_weights, model.text_weights))
    return (model.name, model.licence, *where)


def _repository(place: str) -> str:
    """A repository of the model hub without the name of the file; other places as they are."""
    return place.rpartition("/")[0] or place


def _short(model: ModelFacts) -> tuple[str, ...]:
    cost = _cost(model)
    scores = ("" if found is None else " / ".join(_scores(found)) for found in (model.photographs, model.icons))
    return (*cost[:3], cost[4], cost[6], *scores)


def _scores(found: tuple[float, float] | None) -> tuple[str, str]:
    return (NOT_MEASURED, NOT_MEASURED) if found is None else (f"{found[0]:.1f}", f"{found[1]:.1f}")


COST = Columns(("model", "parameters", "stride", "longest side", "CPU s", "GPU s", "memory, MiB"), _cost)
QUALITY = Columns(
    (
        *("model", "photographs: mIoU, 1 example", "photographs: mIoU, 5 examples"),
        *("icons: mIoU, 1 example", "icons: mIoU, 5 examples"),
    ),
    _quality,
)
WEIGHTS = Columns(("model", "licence", "image weights", "text weights"), _weights)
SHORT = Columns(("model", "size", "stride", "CPU s", "MiB", "photographs", "icons"), _short)
"""What fits a terminal of 80 columns; what was not measured is left empty."""
