"""The table of what corrections give; apart from the other tables, since it needs the simulation and so the network."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from cdpnet.experiments.correction import ROUNDS, CorrectionCurve, mean_curves
from cdpnet.report.tables import Alignment, text_table


def correction_table(curves: Sequence[CorrectionCurve]) -> Table:
    """Mean IoU of images that are never corrected, after so many corrections, for each choice and not taught at all."""
    columns: dict[str, Alignment] = {"corrected": "left", **{f"after {done}": "right" for done in ROUNDS}}
    means = mean_curves(curves)
    rows = [(choice, *(f"{iou:.1f}" for iou in ious)) for choice, ious in means.items()]
    return text_table(columns, [*rows, ("not taught", *[f"{means['uncertain'][0]:.1f}"] * len(ROUNDS))])
