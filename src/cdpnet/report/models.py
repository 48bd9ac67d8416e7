"""The tables of `cdpnet models`, for the terminal and for the manual."""

from __future__ import annotations

from collections.abc import Sequence

from cdpnet.encoders.facts import ModelFacts

NOT_MEASURED = "not measured"
WEIGHTS = ("model", "image weights", "text weights", "licence of the image weights")
MEASURED = (
    *("model", "parameters", "stride", "longest side", "CPU s", "GPU s", "memory, MiB"),
    *("photographs, mIoU", "icons, mIoU"),
)
SHORT = ("model", "size", "stride", "CPU s", "MiB", "photographs", "icons")
"""The columns of `MEASURED` that fit a terminal."""


def weight_rows(facts: Sequence[ModelFacts]) -> list[tuple[str, ...]]:
    """The cells below `WEIGHTS`."""
    return [(model.name, model.image_weights, model.text_weights, model.licence) for model in facts]


def measured_rows(facts: Sequence[ModelFacts]) -> list[tuple[str, ...]]:
    """The cells below `MEASURED`; two figures of mIoU are those with one example and with five."""
    return [
        (
            *(model.name, f"{model.parameters:.1f} M", str(model.stride), f"{model.longest_side} px"),
            *(f"{model.seconds:.2f}", NOT_MEASURED, f"{model.memory:,.0f}"),
            *(_scores(model.photographs), _scores(model.icons)),
        )
        for model in facts
    ]


def short_rows(facts: Sequence[ModelFacts]) -> list[tuple[str, ...]]:
    """The cells below `SHORT`."""
    return [(*row[:3], row[4], *row[6:]) for row in measured_rows(facts)]


def _scores(found: tuple[float, float] | None) -> str:
    return NOT_MEASURED if found is None else f"{found[0]:.1f} and {found[1]:.1f}"
