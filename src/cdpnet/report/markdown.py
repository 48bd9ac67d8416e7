"""Tables in Markdown, as the documentation shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from cdpnet.configs import PublishedResult
from cdpnet.evaluation.results import EvaluationResult
from cdpnet.experiments.ablation import AblationResult
from cdpnet.experiments.benchmark_table import TableResult
from cdpnet.io.files import write_text
from cdpnet.report.tables import format_miou


def ablation_markdown(results: Sequence[AblationResult], out: Path) -> Path:
    """The ablation's table with its budget, written to ``out``: rows by level of names, columns by shots."""
    shots = sorted({entry.result.rules.shots for entry in results})
    cells = {(entry.row, entry.result.rules.names, entry.result.rules.shots): entry.result for entry in results}
    lines = [
        "| row | names | " + " | ".join(f"{k}-shot" for k in shots) + " |",
        "| --- | --- |" + " --- |" * len(shots),
    ]
    for row, description, names in dict.fromkeys((e.row, e.description, e.result.rules.names) for e in results):
        found = [cells.get((row, names, k)) for k in shots]
        lines.append(f"| {description} (`{row}`) | {names} | {' | '.join(_cell(result) for result in found)} |")
    path = out / "ablation.md"
    write_text("\n".join(lines) + "\n\n" + _ablation_caption(results[0].result) + "\n", path)
    return path


def table_markdown(results: Sequence[TableResult], published: Sequence[PublishedResult], out: Path) -> Path:
    """A benchmark's table as papers have it, written to ``out``: for each number of shots folds, mean and FB-IoU.

    published: rows of others, of which only the mean is known. A mean over fewer folds than the table's is left out.
    """
    shots = sorted({entry.result.rules.shots for entry in results})
    folds = sorted({entry.result.rules.fold for entry in results})
    columns = [*(f"fold {fold}" for fold in folds), "mean", "FB-IoU"]
    headings = [f"{k}-shot, {column}" if column == columns[0] else column for k in shots for column in columns]
    lines = ["| method | " + " | ".join(headings) + " |", "| --- |" + " ---: |" * len(headings)]
    for name in dict.fromkeys(entry.method for entry in results):
        found = {(e.result.rules.shots, e.result.rules.fold): e.result for e in results if e.method == name}
        cells = [cell for k in shots for cell in _cells([found.get((k, fold)) for fold in folds])]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for row in published:
        means = [f"{row.miou[k]:.1f}" if k in row.miou else "" for k in shots]
        cells = [cell for figure in means for cell in (*[""] * len(folds), figure, "")]
        lines.append(f"| {row.method}, {row.encoder} (published: {row.note}) | " + " | ".join(cells) + " |")
    path = out / "table.md"
    write_text("\n".join(lines) + "\n\n" + _table_caption(results[0].result) + "\n", path)
    return path


def _cell(result: EvaluationResult | None) -> str:
    return format_miou(result) if result else ""


def _cells(results: Sequence[EvaluationResult | None]) -> list[str]:
    """The mIoU of a method and a number of shots on each fold, their mean, and the mean FB-IoU."""
    done = [result.figures for result in results if result]
    means = [mean(figures.miou for figures in done), mean(figures.fb_iou for figures in done)] if done else []
    shown = [f"{value:.1f}" for value in means] if len(done) == len(results) else ["", ""]
    return [*(_cell(result) for result in results), *shown]


def _table_caption(first: EvaluationResult) -> str:
    """The conditions of a table, which are the same for all its results, in a few sentences."""
    rules = first.rules
    return (
        f"mIoU in percent on novel classes of {rules.data}, ± its standard deviation over seeds. "
        f"Protocol {rules.protocol.partition(':')[0]}, folds {rules.fold_convention}, {first.episodes} "
        f"episodes of seeds {', '.join(map(str, first.seeds))}, scored at {rules.evaluation_space}, "
        f"a class never drawn {rules.unseen_class}. Encoder {first.network.encoder.name}, training "
        f"{_budget(first)}, novel objects in training images: {first.novel_in_train}, checkpoint selected on "
        f"{first.checkpoint_selection}. {_machine(first)}"
    )


def _ablation_caption(first: EvaluationResult) -> str:
    """The conditions of an ablation, which are the same for all its rows, in a few sentences."""
    rules, record = first.rules, first.record
    dropout = record.settings.train.text_dropout if record else 0.0
    return (
        f"mIoU in percent on the novel classes of fold {rules.fold} of {rules.data}, "
        f"{first.episodes} episodes of seeds {', '.join(map(str, first.seeds))}, scored at {rules.evaluation_space}. "
        f"Every row: {_budget(first)}, checkpoint selected on {first.checkpoint_selection}; "
        f"{dropout:.0%} of the training episodes without a name, none for text only. "
        f"{_machine(first)}"
    )


def _budget(result: EvaluationResult) -> str:
    """The length of the training."""
    if result.record is None:
        return "none"
    settings = result.record.settings
    train = settings.train
    return f"{train.iterations} steps of {train.batch * train.accumulate * settings.processes} episodes"


def _machine(result: EvaluationResult) -> str:
    return f"{result.machine.processor}, torch {result.machine.torch}."
