"""Plots, by matplotlib (extra `curves`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cdpnet.experiments.ablation import AblationResult
from cdpnet.experiments.clicks import GOAL, MOST_CLICKS, MarkedObject, mean_ious
from cdpnet.experiments.correction import ROUNDS, CorrectionCurve, mean_curves
from cdpnet.io.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = {"exact": "", "category": ", category name", "none": ", no name", "wrong": ", wrong name"}
_BAR, _CONTROL, _INK = "#2f6fb0", "#c3ccd6", "#20242c"
_LINES = (_BAR, "#d9772b", "#4a9a62", "#8a5fb0", "#8b5a3c")


def plot_ablation(results: Sequence[AblationResult], out: Path) -> Path:
    """Bars of the ablation, a panel for each number of shots; rows of the method in colour, controls in grey."""
    from matplotlib.figure import Figure

    shots = sorted({entry.result.rules.shots for entry in results})
    figure = Figure(figsize=(4.6 * len(shots) + 2.4, 0.42 * len(results) / len(shots) + 1.2), layout="constrained")
    panels = figure.subplots(1, len(shots), sharey=True, squeeze=False)[0]
    for panel, k in zip(panels, shots, strict=True):
        entries = [entry for entry in results if entry.result.rules.shots == k]
        names = [_label(entry) for entry in entries]
        values = [entry.result.figures.miou for entry in entries]
        colours = [_CONTROL if _is_control(entry) else _BAR for entry in entries]
        bars = panel.barh(names, values, xerr=[entry.result.figures.miou_std or 0 for entry in entries], color=colours)
        panel.bar_label(bars, fmt="%.1f", padding=4, color=_INK, fontsize=9)
        panel.set_title(f"{k}-shot", color=_INK)
        panel.set_xlabel("mIoU, novel classes (%)", color=_INK)
        panel.set_xlim(0, 1.15 * max(entry.result.figures.miou for entry in results))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    return _save(figure, out / "ablation.png")


def plot_correction(curves: Sequence[CorrectionCurve], out: Path) -> Path:
    """Mean IoU of images that are never corrected over the corrections that were taught, a line for each choice."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    panel = figure.subplots()
    means = mean_curves(curves)
    for (choice, ious), colour in zip(means.items(), _LINES, strict=True):
        panel.plot(ROUNDS, ious, marker="o", color=colour, label=choice)
    panel.axhline(means["uncertain"][0], color=_CONTROL, linestyle="--", label="not taught")
    panel.set_xlabel("corrections", color=_INK)
    panel.set_ylabel("mean IoU of the other images (%)", color=_INK)
    panel.set_xticks(ROUNDS)
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    return _save(figure, out / "correction.png")


def plot_clicks(marked: Sequence[MarkedObject], out: Path) -> Path:
    """Mean IoU over the clicks, and the share of objects that are good enough."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    panel = figure.subplots()
    clicks = range(1, MOST_CLICKS + 1)
    reached = [100 * sum(one.ious[-1] >= GOAL and one.clicks <= n for one in marked) / len(marked) for n in clicks]
    panel.plot(clicks, [100 * iou for iou in mean_ious(marked)], marker="o", color=_LINES[0], label="mean IoU")
    panel.plot(clicks, reached, marker="o", color=_LINES[1], label=f"objects at an IoU of {100 * GOAL:.0f}")
    panel.set_xlabel("clicks", color=_INK)
    panel.set_ylabel("%", color=_INK)
    panel.set_xticks(clicks)
    panel.set_ylim(0, 100)
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    return _save(figure, out / "clicks.png")


def _save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG."""
    buffer = io.BytesIO()  # a write that a full disk cuts short would go unnoticed in a file
    figure.savefig(buffer, dpi=120)
    write_bytes(buffer.getvalue(), path)
    return path


def _is_control(entry: AblationResult) -> bool:
    return entry.result.rules.names != "exact" or entry.row in ("ssp", "text")


def _label(entry: AblationResult) -> str:
    names = entry.result.rules.names
    name = "all parts" if entry.row == "cdpn" and names != "exact" else entry.description
    return f"{name}{_NAMES[names]}"
