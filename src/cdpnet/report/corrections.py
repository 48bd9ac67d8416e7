"""The tables of the simulations; apart from the other tables, since they need the network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from cdpnet.experiments.absence import COUNTS, AbsenceCurve, mean_absence
from cdpnet.experiments.correction import ROUNDS, CorrectionCurve, lead_over_random, mean_curves
from cdpnet.report.tables import Alignment, text_table
from cdpnet.runtime.text import listed

_COMPARED = 5  # corrections after which the choices are compared with random


def correction_table(curves: Sequence[CorrectionCurve]) -> Table:
    """Mean IoU of images that are never corrected, after so many corrections, for each choice and not taught at all.

    The last column is how far a choice is above random after five, with its standard error; a single start has none.
    """
    lead = f"lead after {_COMPARED}"
    columns: dict[str, Alignment] = {"corrected": "left", **_after(ROUNDS), lead: "right"}
    means = mean_curves(curves)
    rows = []
    for choice, ious in means.items():
        difference, error = lead_over_random(curves, choice, _COMPARED)
        spread = "" if math.isnan(error) else f" ± {error:.1f}"
        shown = "" if choice == "random" else f"{difference:+.1f}{spread}"
        rows.append((choice, *(f"{iou:.1f}" for iou in ious), shown))
    return text_table(columns, [*rows, ("not taught", *[f"{means['uncertain'][0]:.1f}"] * len(ROUNDS), "")])


def small_pools(curves: Sequence[CorrectionCurve]) -> str | None:
    """A line about the classes that had too few images to correct for the last column; None where all had enough."""
    fewer = {curve.class_name: curve.pool for curve in curves if curve.pool < max(ROUNDS)}
    if not fewer:
        return None
    named = listed([f"{name} ({pool})" for name, pool in fewer.items()])
    return f"fewer than {max(ROUNDS)} images to correct: {named}; their later figures are with all of these corrected"


def absence_table(curves: Sequence[AbsenceCurve]) -> Table:
    """False masks and mean IoU in percent after so many images without the class, for each use of them."""
    columns: dict[str, Alignment] = {"changed": "left", "percent": "left", **_after(COUNTS)}
    rows = []
    for use, pairs in mean_absence(curves).items():
        rows += [(use, "false masks", *(f"{false:.1f}" for false, _ in pairs))]
        rows += [("", "mean IoU", *(f"{iou:.1f}" for _, iou in pairs))]
    return text_table(columns, rows)


def _after(numbers: Sequence[int]) -> dict[str, Alignment]:
    """Columns of what there is after so many images, short enough for 80 columns."""
    return {f"after {n}" if n == numbers[0] else str(n): "right" for n in numbers}
