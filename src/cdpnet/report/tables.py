"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from cdpnet.runtime.text import escape

if TYPE_CHECKING:  # a table of other things needs no network
    from cdpnet.evaluation.results import EvaluationResult
    from cdpnet.training.calibration import CalibrationResult
    from cdpnet.training.levels import LevelResult

Alignment = Literal["left", "right"]
_DECISIONS = ("network's own", "with background", "with presence too")  # in the order of CalibrationResult


def text_table(columns: Mapping[str, Alignment], rows: Iterable[Sequence[str]], whole: str = "") -> Table:
    """A table of headings and rows. Cells are shown as they are: a name may hold brackets, which are markup to rich.

    whole: the heading of a column whose cells are broken after their commas only.
    """
    table = Table()
    for heading, alignment in columns.items():
        table.add_column(Text(heading), justify=alignment, overflow="fold", no_wrap=heading == whole)
    for row in rows:
        cells = dict(zip(columns, map(escape, row), strict=True))
        if whole:
            cells[whole] = cells[whole].replace(", ", ",\n")
        table.add_row(*map(Text, cells.values()))
    return table


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown; cells may hold any character but a line break."""
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def score_table(results: Sequence[tuple[str, EvaluationResult]]) -> Table:
    """The figures of evaluations, each with a name."""
    columns: dict[str, Alignment] = {"": "left", "shots": "left", "names": "left", "mIoU": "right", "FB-IoU": "right"}
    rows = [
        (name, str(result.rules.shots), result.rules.names, format_miou(result), format_fb_iou(result))
        for name, result in results
    ]
    return text_table(columns, rows)


def calibration_table(measured: Sequence[CalibrationResult]) -> Table:
    """Percent of the images without the class that get a mask, and mIoU of those with it: a row for each decision."""
    columns: dict[str, Alignment] = dict.fromkeys(("classes", "names", "images", "decision"), "left")
    rows = []
    for row in measured:
        found = zip(_DECISIONS, row.false_positives, row.miou, strict=True)
        own, *others = [(decision, f"{false:.1f}", f"{miou:.1f}") for decision, false, miou in found]
        rows += [(row.split, row.names, str(row.images), *own), *(("", "", "", *other) for other in others)]
    return text_table({**columns, "false masks %": "right", "mIoU": "right"}, rows)


def level_table(result: LevelResult) -> Table:
    """The mIoU of masks that are cut at 0 and at their own level."""
    rows = [
        ("log-odds 0", f"{result.at_zero:.1f}"),
        ("own level, fitted on other classes", f"{result.held_out:.1f}"),
        ("own level, fitted on these classes", f"{result.fitted:.1f}"),
    ]
    return text_table({"masks are cut at": "left", "mIoU": "right"}, rows)


def format_miou(result: EvaluationResult) -> str:
    """MIoU in percent, with its standard deviation over the seeds where there are several."""
    return _format(result.figures.miou, result.figures.miou_std)


def format_fb_iou(result: EvaluationResult) -> str:
    """FB-IoU in percent, with its standard deviation over the seeds where there are several."""
    return _format(result.figures.fb_iou, result.figures.fb_iou_std)


def _format(figure: float, spread: float | None) -> str:
    return f"{figure:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")
