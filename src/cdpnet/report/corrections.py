"""The tables of the simulations; apart from the other tables, since they need the network."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from cdpnet.experiments.absence import COUNTS, AbsenceCurve, mean_absence
from cdpnet.experiments.correction import ROUNDS, CorrectionCurve, mean_curves
from cdpnet.report.tables import Alignment, text_table


def correction_table(curves: Sequence[CorrectionCurve]) -> Table:
    """Mean IoU of images that are never corrected, after so many corrections, for each choice and not taught at all."""
    columns: dict[str, Alignment] = {"corrected": "left", **{f"after {done}": "right" for done in ROUNDS}}
    means = mean_curves(curves)
    rows = [(choice, *(f"{iou:.1f}" for iou in ious)) for choice, ious in means.items()]
    return text_table(columns, [*rows, ("not taught", *[f"{means['uncertain'][0]:.1f}"] * len(ROUNDS))])


def absence_table(curves: Sequence[AbsenceCurve]) -> Table:
    """False masks and mean IoU in percent after so many images without the class, for each use of them."""
    columns: dict[str, Alignment] = {"changed": "left", "percent": "left", **{f"after {n}": "right" for n in COUNTS}}
    rows = []
    for use, pairs in mean_absence(curves).items():
        rows += [(use, "false masks", *(f"{false:.1f}" for false, _ in pairs))]
        rows += [("", "mean IoU", *(f"{iou:.1f}" for _, iou in pairs))]
    return text_table(columns, rows)
