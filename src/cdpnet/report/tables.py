"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from cdpnet.training.calibration import CalibrationResult


def score_table(results: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    """Figures of evaluations, each with a name, for the terminal."""
    table = Table()
    for heading in ("", "shots", "names", "mIoU", "FB-IoU"):
        table.add_column(heading, justify="right" if heading.endswith("IoU") else "left")
    for name, result in results:
        table.add_row(
            name, str(result["shots"]), result["names"], *(with_spread(result, kind) for kind in ("miou", "fb_iou"))
        )
    return table


def calibration_table(measured: Sequence[CalibrationResult]) -> Table:
    """What thresholds do: percent of images without the class that get a mask, and mIoU of those with it."""
    table = Table()
    for heading in ("classes", "names", "images"):
        table.add_column(heading)
    for heading in ("as it is", "+ background", "+ presence"):
        table.add_column(f"false masks %, {heading}", justify="right")
        table.add_column(f"mIoU, {heading}", justify="right")
    for row in measured:
        figures = [f"{figure:.1f}" for pair in zip(row.false_positives, row.miou, strict=True) for figure in pair]
        table.add_row(row.split, row.names, str(row.images), *figures)
    return table


def with_spread(result: dict[str, Any], kind: str) -> str:
    """A figure, with its standard deviation over seeds where there are several."""
    spread = result[f"{kind}_std"]
    return f"{result[kind]:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")
