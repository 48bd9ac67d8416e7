"""Tables in Markdown, as the documentation shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from cdpnet.io.files import write_text
from cdpnet.report.tables import with_spread


def ablation_markdown(results: Sequence[dict[str, Any]], out: Path) -> Path:
    """The ablation's table with its budget, written to ``out``: rows by name level, columns by shots."""
    shots = sorted({entry["shots"] for entry in results})
    figures = {(entry["row"], entry["names"], entry["shots"]): with_spread(entry, "miou") for entry in results}
    lines = [
        "| row | names | " + " | ".join(f"{k}-shot" for k in shots) + " |",
        "| --- | --- |" + " --- |" * len(shots),
    ]
    for row, says, names in dict.fromkeys((entry["row"], entry["says"], entry["names"]) for entry in results):
        cells = [figures.get((row, names, k), "") for k in shots]
        lines.append(f"| {says} (`{row}`) | {names} | " + " | ".join(cells) + " |")
    path = out / "ablation.md"
    write_text("\n".join(lines) + "\n\n" + _budget(results) + "\n", path)
    return path


def table_markdown(results: Sequence[dict[str, Any]], published: Sequence[dict[str, Any]], out: Path) -> Path:
    """A benchmark's table as papers have it, written to ``out``: for each number of shots folds, mean and FB-IoU.

    published: rows of others, of which only the mean is known. A mean over fewer folds than the table's is left out.
    """
    shots, folds = (sorted({result[kind] for result in results}) for kind in ("shots", "fold"))
    columns = [*(f"fold {fold}" for fold in folds), "mean", "FB-IoU"]
    headings = [f"{k}-shot, {column}" if column == columns[0] else column for k in shots for column in columns]
    lines = ["| method | " + " | ".join(headings) + " |", "| --- |" + " ---: |" * len(headings)]
    for name in dict.fromkeys(result["method"] for result in results):
        found = {(r["shots"], r["fold"]): r for r in results if r["method"] == name}
        cells = [cell for k in shots for cell in _cells([found.get((k, fold)) for fold in folds])]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for row in published:
        means = [f"{row['miou'][str(k)]:.1f}" if str(k) in row["miou"] else "" for k in shots]
        cells = [cell for figure in means for cell in (*[""] * len(folds), figure, "")]
        lines.append(f"| {row['method']}, {row['encoder']} (published: {row['says']}) | " + " | ".join(cells) + " |")
    path = out / "table.md"
    write_text("\n".join(lines) + "\n\n" + _rules(results) + "\n", path)
    return path


def _cells(results: Sequence[dict[str, Any] | None]) -> list[str]:
    """The folds' mIoU, their mean and the mean FB-IoU of a method with a number of shots."""
    done = [result for result in results if result is not None]
    means = [f"{mean(r[kind] for r in done):.1f}" if len(done) == len(results) else "" for kind in ("miou", "fb_iou")]
    return [*(with_spread(result, "miou") if result else "" for result in results), *means]


def _rules(results: Sequence[dict[str, Any]]) -> str:
    """What must be said beside a table, in a few sentences."""
    first = results[0]
    record = first["checkpoint"]
    return (
        f"mIoU in percent on novel classes of {first['data']}, ± its standard deviation over seeds. "
        f"Protocol {first['protocol'].partition(':')[0]}, folds {first['fold_convention']}, {first['episodes']} "
        f"episodes of seeds {', '.join(map(str, first['seeds']))}, scored at {first['evaluation_space']}, "
        f"a class never drawn {first['unseen_class']}. Encoder {first['network']['encoder']['name']}, training "
        f"{_steps(record)}, novel objects in training images: {first['novel_in_train']}, checkpoint selected on "
        f"{first['checkpoint_selection']}. {_machine(first)}"
    )


def _steps(record: dict[str, Any]) -> str:
    train = record["train"]
    return f"{train['iterations']} steps of {train['batch'] * train['accumulate'] * record['processes']} episodes"


def _machine(result: dict[str, Any]) -> str:
    return f"{result['machine']['processor']}, torch {result['machine']['torch']}."


def _budget(results: Sequence[dict[str, Any]]) -> str:
    """What every row got, in a sentence or two."""
    first = results[0]
    train = first["checkpoint"]["train"]
    seeds = ", ".join(map(str, first["seeds"]))
    return (
        f"mIoU in percent on the novel classes of fold {first['fold']} of {first['data']}, "
        f"{first['episodes']} episodes of seeds {seeds}, scored at {first['evaluation_space']}. "
        f"Every row: {_steps(first['checkpoint'])}, checkpoint selected on {first['checkpoint_selection']}; "
        f"{train['text_dropout']:.0%} of the training episodes without a name, none for text only. "
        f"{_machine(first)}"
    )
