"""Pictures and tables for people."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.table import Table
from torch import Tensor

from cdpnet.calibrate import Measured
from cdpnet.data.source import EpisodesDrawn
from cdpnet.data.transforms import resized
from cdpnet.files import write_text
from cdpnet.labels.overlay import overlay

_INK, _PAPER, _QUIET = (32, 36, 44), (255, 255, 255), (108, 116, 128)


def to_image(picture: Tensor) -> Image.Image:
    """A picture (3, H, W) uint8 as a PIL image."""
    return Image.fromarray(picture.permute(1, 2, 0).cpu().numpy())


def data_address(image: Image.Image) -> str:
    """A picture as an address that holds it, for pages of a single file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def grid(rows: Sequence[tuple[str, Sequence[Image.Image]]], headings: Sequence[str], cell: int = 160) -> Image.Image:
    """Rows of pictures with a caption each under common headings; every picture is fitted into a square of ``cell``."""
    gap, left, top = 10, 190, 44
    canvas = Image.new("RGB", (left + len(headings) * (cell + gap) + gap, top + len(rows) * (cell + gap) + gap), _PAPER)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(17), ImageFont.load_default(14)
    for column, heading in enumerate(headings):
        draw.text((left + column * (cell + gap) + cell / 2, top / 2), heading, _INK, large, anchor="mm")
    for line, (caption, pictures) in enumerate(rows):
        y = top + line * (cell + gap)
        first, _, second = caption.partition("\n")
        draw.text((left - 14, y + cell / 2 - (10 if second else 0)), first, _INK, large, anchor="rm")
        draw.text((left - 14, y + cell / 2 + 12), second, _QUIET, small, anchor="rm")
        for column, picture in enumerate(pictures):
            shown = picture.copy()
            scale = cell / max(shown.size)
            shown = shown.resize((max(1, round(shown.width * scale)), max(1, round(shown.height * scale))))
            x = left + column * (cell + gap)
            canvas.paste(shown, (x + (cell - shown.width) // 2, y + (cell - shown.height) // 2))
    return canvas


def episode_pictures(drawn: EpisodesDrawn, i: int, answers: dict[str, Tensor]) -> dict[str, Image.Image]:
    """Support, query, truth and named answers (H, W) of episode ``i`` of a batch, masks laid over the pictures."""
    support, query = drawn.batch.support_images[i, 0], _as_scored(drawn, i)
    masks = {"truth": drawn.query_masks[i], **answers}
    return {
        "support": overlay(support, as_labels(drawn.batch.support_masks[i, 0])),
        "query": to_image(query),
        **{name: overlay(query, as_labels(mask)) for name, mask in masks.items()},
    }


def _as_scored(drawn: EpisodesDrawn, i: int) -> Tensor:
    """The query of episode ``i`` in the space where it is scored, without padding: (3, H, W)."""
    query, truth = drawn.batch.query_images[i], drawn.query_masks[i]
    if drawn.shown is not None:
        query = query[:, : drawn.shown[0], : drawn.shown[1]]
    return query if query.shape[1:] == truth.shape else resized(query, truth, (truth.shape[0], truth.shape[1]))[0]


def as_labels(mask: Tensor) -> NDArray[np.uint8]:
    """A mask tensor (H, W) as an array of labels."""
    return mask.to(torch.uint8).cpu().numpy()


def score_table(results: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    """Figures of evaluations, each with a name, for the terminal."""
    table = Table()
    for heading in ("", "shots", "names", "mIoU", "FB-IoU"):
        table.add_column(heading, justify="right" if heading.endswith("IoU") else "left")
    for name, result in results:
        table.add_row(
            name, str(result["shots"]), result["names"], *(with_spread(result, kind) for kind in ("miou", "fb_iou"))
        )
    return table


def calibration_table(measured: Sequence[Measured]) -> Table:
    """What thresholds do: percent of pictures without the class that get a mask, and mIoU of those with it."""
    table = Table()
    for heading in ("classes", "names", "pictures"):
        table.add_column(heading)
    for heading in ("as it is", "+ background", "+ presence"):
        table.add_column(f"false masks %, {heading}", justify="right")
        table.add_column(f"mIoU, {heading}", justify="right")
    for row in measured:
        figures = [f"{figure:.1f}" for pair in zip(row.false_positives, row.miou, strict=True) for figure in pair]
        table.add_row(row.split, row.names, str(row.pictures), *figures)
    return table


def with_spread(result: dict[str, Any], kind: str) -> str:
    """A figure, with its standard deviation over seeds where there are several."""
    spread = result[f"{kind}_std"]
    return f"{result[kind]:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")


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
        f"{_steps(record)}, novel objects in training pictures: {first['novel_in_train']}, checkpoint selected on "
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
