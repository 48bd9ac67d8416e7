"""What a run of the benchmarks shows: `python -m benchmarks.report out.json docs` draws it and fills in the table.

Writes FOLDER/pictures/performance.png, and replaces the table of FOLDER/explanation/performance.md. Needs matplotlib
(extra `curves`).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.rows import Measurement
from cdpnet.io.files import atomic, read_text, write_text

_OURS, _NAIVE, _INK = "#2f6fb0", "#c3ccd6", "#20242c"
_TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
_BARS = {
    "query, naive, all locations background": "query, naive",
    "query, float32, all locations background": "query, float32",
    "query, attention, all locations background": "query, attention in bfloat16",
    "query, bfloat16, all locations background": "query, all in bfloat16",
    "1-shot episode, naive": "1-shot episode, naive",
    "1-shot episode, float32": "1-shot episode, float32",
    "5-shot episode, naive": "5-shot episode, naive",
    "5-shot episode, float32": "5-shot episode, float32",
}


def table(found: dict[str, Any]) -> str:
    """The machine, and all rows, in Markdown."""
    machine = found["machine"]
    about = f"{machine['processor']}, {machine['threads']} threads, torch {machine['torch']}, commit {found['commit']}."
    lines = [about, "", "| what | value | | aim |", "| --- | ---: | --- | --- |"]
    for row in (Measurement(**values) for values in found["rows"]):
        aim = f"<= {row.goal}" if row.goal and not row.goal.startswith(">") else row.goal
        lines.append(f"| {row.what} | {_figure(row.value)} | {row.unit} | {aim} |")
    return "\n".join([*lines, ""])


def _figure(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.0e}"


def plot(rows: dict[str, Measurement]) -> Figure:
    """Cost in encoder passes beside the aims, and the parts of a query over growing images."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    bars, lines = figure.subplots(1, 2)
    shown = [row for row in _BARS if row in rows]
    values = [rows[row].value for row in shown]
    colours = [_NAIVE if "naive" in row else _OURS for row in shown]
    bars.barh([_BARS[row] for row in shown], values, color=colours)
    for i, row in enumerate(shown):  # beside the bar, or the mark of its aim
        right = max(values[i], float(rows[row].goal or 0))
        bars.annotate(
            f"{values[i]:.2f}", (right, i), (10, 0), textcoords="offset points", va="center", color=_INK, fontsize=9
        )
    aims = [(float(rows[row].goal), i) for i, row in enumerate(shown) if rows[row].goal]
    bars.plot([aim for aim, _ in aims], [i for _, i in aims], "d", color="#d9822b", label="aim", clip_on=False)
    bars.invert_yaxis()
    bars.set(xlabel="encoder passes in float32 (ResNet-50, 400 px)", xlim=(0, 1.15 * max(values)))
    _growth(lines, rows)
    for panel in (bars, lines):
        panel.legend(frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _growth(panel: Axes, rows: dict[str, Measurement]) -> None:
    for part, colour in (("encoder", _NAIVE), ("the rest", _OURS)):
        sizes = [int(found[1]) for row in rows if (found := re.fullmatch(rf"{part}, (\d+) px", row))]
        seconds = [rows[f"{part}, {size} px"].value / 1000 for size in sizes]
        panel.loglog(sizes, seconds, "o-", color=colour, label=part)
        panel.set_xticks(sizes, [str(size) for size in sizes], minor=False)
    panel.minorticks_off()
    panel.set(xlabel="side of the image (px)", ylabel="seconds of a query, all locations background")


def main() -> None:
    """Read the rows, write both."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    found = json.loads(read_text(source))
    text = folder / "explanation" / "performance.md"
    write_text(_TABLE.sub(lambda _: table(found), read_text(text)), text)
    with atomic(folder / "pictures" / "performance.png") as temporary:
        plot({values["what"]: Measurement(**values) for values in found["rows"]}).savefig(temporary, dpi=120)


if __name__ == "__main__":
    main()
