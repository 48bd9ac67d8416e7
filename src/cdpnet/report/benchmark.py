"""A benchmark's table as papers have it: in Markdown for a file, and narrower for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from rich.table import Table

from cdpnet.configs import PublishedResult
from cdpnet.data.protocols.folds import N_FOLDS
from cdpnet.evaluation.results import EvaluationResult
from cdpnet.experiments.benchmark_table import TableResult
from cdpnet.io.files import write_text
from cdpnet.report.markdown import budget, machine
from cdpnet.report.tables import Alignment, format_miou, text_table


class _Row(NamedTuple):
    """A method, and its cells by number of shots: its folds, their mean and the mean FB-IoU."""

    method: str
    cells: dict[int, list[str]]


class BenchmarkTable:
    """Results of methods on the folds of a benchmark, and published ones below them.

    A mean is that of the folds of the table; where a method lacks one of them, it is left out. Published figures are
    means of all folds, and left out beside fewer.
    """

    def __init__(self, results: Sequence[TableResult], published: Sequence[PublishedResult]) -> None:
        self.shots = sorted({entry.result.rules.shots for entry in results})
        self.folds = sorted({entry.result.rules.fold for entry in results})
        self._first = results[0].result
        self._left_out = bool(published) and len(self.folds) < N_FOLDS
        self._ours = [self._measured(name, results) for name in dict.fromkeys(entry.method for entry in results)]
        self._published = [] if self._left_out else list(published)

    @property
    def columns(self) -> list[str]:
        """The headings of one number of shots; one fold has no mean."""
        return [*(f"fold {fold}" for fold in self.folds), *["mean"] * (len(self.folds) > 1), "FB-IoU"]

    @property
    def caption(self) -> str:
        """The conditions, which are the same for all results, in a few sentences."""
        first, rules = self._first, self._first.rules
        shown = f"fold{'s' * (len(self.folds) > 1)} {' and '.join(map(str, self.folds))}"
        left_out = f" Published figures are means of {N_FOLDS} folds, and not shown beside those of {shown}."
        return (
            f"mIoU in percent on novel classes of {rules.data}, ± its standard deviation over seeds. "
            f"Protocol {rules.protocol.partition(':')[0]}, folds {rules.fold_convention}, "
            f"{first.drawn_episodes}, scored at {rules.evaluation_space}, "
            f"a class never drawn {rules.unseen_class}. Encoder {first.network.encoder.name}, training "
            f"{budget(first)}, novel objects in training images: {first.novel_in_train}, checkpoint selected on "
            f"{first.checkpoint_selection}. {machine(first)}{left_out if self._left_out else ''}"
        )

    def write(self, out: Path) -> Path:
        """Write it to the folder ``out`` as Markdown, one line for each method, with its caption; gives the file."""
        columns = self.columns
        headings = [f"{k}-shot, {column}" if column == columns[0] else column for k in self.shots for column in columns]
        lines = ["| method | " + " | ".join(headings) + " |", "| --- |" + " ---: |" * len(headings)]
        rows = [*(row._replace(method=f"`{row.method}`") for row in self._ours), *map(self._only_mean, self._published)]
        for name, cells in rows:
            lines.append("| " + " | ".join([name, *(cell for k in self.shots for cell in cells[k])]) + " |")
        path = out / "table.md"
        write_text("\n".join(lines) + "\n\n" + self.caption + "\n", path)
        return path

    def for_terminal(self) -> Iterator[Table]:
        """A table for each number of shots, and one of the published means, all of which 80 columns hold."""
        for k in self.shots:
            columns: dict[str, Alignment] = {f"{k}-shot": "left", **dict.fromkeys(self.columns, "right")}
            yield text_table(columns, [(row.method, *row.cells[k]) for row in self._ours])
        if self._published:
            means: dict[str, Alignment] = {f"published, mean of {N_FOLDS} folds": "left"}
            means |= {f"{k}-shot": "right" for k in self.shots}
            yield text_table(
                means,
                [
                    (f"{row.method}, {row.encoder}: {row.note}", *(_mean(row, k) for k in self.shots))
                    for row in self._published
                ],
            )

    def _measured(self, name: str, results: Sequence[TableResult]) -> _Row:
        found = {(e.result.rules.shots, e.result.rules.fold): e.result for e in results if e.method == name}
        return _Row(name, {k: _cells([found.get((k, fold)) for fold in self.folds]) for k in self.shots})

    def _only_mean(self, row: PublishedResult) -> _Row:
        """A published result, of whose folds nothing is known."""
        cells = {k: [*[""] * len(self.folds), _mean(row, k), ""] for k in self.shots}
        return _Row(f"{row.method}, {row.encoder} (published: {row.note})", cells)


def _mean(row: PublishedResult, shots: int) -> str:
    """The published mean of the folds; nothing where none was published."""
    return f"{row.miou[shots]:.1f}" if shots in row.miou else ""


def _cells(results: Sequence[EvaluationResult | None]) -> list[str]:
    """The mIoU of a method and a number of shots on each fold, their mean where there are several, and mean FB-IoU."""
    done = [result.figures for result in results if result]
    means = [f"{mean(each.miou for each in done):.1f}", f"{mean(each.fb_iou for each in done):.1f}"] if done else []
    shown = means if len(done) == len(results) else ["", ""]
    return [*(format_miou(result) if result else "" for result in results), *shown[len(results) < 2 :]]
