"""The table of the ablation in Markdown, as the documentation shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdpnet.evaluation.results import EvaluationResult
from cdpnet.experiments.ablation import AblationResult
from cdpnet.io.files import write_text
from cdpnet.report.tables import format_miou
from cdpnet.runtime.text import counted


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


def _cell(result: EvaluationResult | None) -> str:
    return format_miou(result) if result else ""


def _ablation_caption(first: EvaluationResult) -> str:
    """The conditions of an ablation, which are the same for all its rows, in a few sentences."""
    rules, record = first.rules, first.record
    dropout = record.settings.train.text_dropout if record else 0.0
    return (
        f"mIoU in percent on the novel classes of fold {rules.fold} of {rules.data}, "
        f"{first.drawn_episodes}, scored at {rules.evaluation_space}. "
        f"Every row: {budget(first)}, checkpoint selected on {first.checkpoint_selection}; "
        f"{dropout:.0%} of the training episodes without a name, none for text only. "
        f"{machine(first)}"
    )


def budget(result: EvaluationResult) -> str:
    """The length of the training that a result comes from, in words."""
    if result.record is None:
        return "none"
    settings = result.record.settings
    train = settings.train
    together = train.batch * train.accumulate * settings.processes
    return f"{counted(train.iterations, 'step')} of {counted(together, 'episode')}"


def machine(result: EvaluationResult) -> str:
    """What a result was computed with, as a sentence."""
    return f"{result.machine.processor}, torch {result.machine.torch}."
