"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from cdpnet.evaluation.results import EvaluationResult
from cdpnet.training.calibration import CalibrationResult


def score_table(results: Sequence[tuple[str, EvaluationResult]]) -> Table:
    """The figures of evaluations, each with a name."""
    table = Table()
    for heading in ("", "shots", "names", "mIoU", "FB-IoU"):
        table.add_column(heading, justify="right" if heading.endswith("IoU") else "left")
    for name, result in results:
        table.add_row(name, str(result.rules.shots), result.rules.names, format_miou(result), format_fb_iou(result))
    return table


def calibration_table(measured: Sequence[CalibrationResult]) -> Table:
    """Percent of the images without the class that get a mask, and mIoU of those with it, for each decision."""
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


def format_miou(result: EvaluationResult) -> str:
    """MIoU in percent, with its standard deviation over the seeds where there are several."""
    return _format(result.figures.miou, result.figures.miou_std)


def format_fb_iou(result: EvaluationResult) -> str:
    """FB-IoU in percent, with its standard deviation over the seeds where there are several."""
    return _format(result.figures.fb_iou, result.figures.fb_iou_std)


def _format(figure: float, spread: float | None) -> str:
    return f"{figure:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")
