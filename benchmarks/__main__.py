"""The command: all rows, as a table and, with --json, in a file.

python -m benchmarks --quick     under five minutes on two cores
python -m benchmarks --json out.json
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import gpu, graphs, large, photographs, rows
from benchmarks.rows import Measurement
from cdpnet.io.files import write_json
from cdpnet.runtime.memory import keep_freed_memory
from cdpnet.runtime.provenance import provenance


def on_gpu(quick: bool) -> list[Iterator[Measurement]]:
    """The parts that need a GPU."""
    device = torch.device("cuda")
    return [
        gpu.episodes_and_step(device, 473, 8, 1024, 5 if quick else 30),
        gpu.labelling(device, (640, 480), 500 if quick else 5000),
    ]


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios, measured side by side.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller images")
    parser.add_argument("--json", type=Path, help="a file for the rows and the machine")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    keep_freed_memory()  # as the commands do
    quick = chosen.quick
    parts = [
        rows.starting(),
        rows.queries(400, 5 if quick else 15),
        rows.whole_episodes(400, 3 if quick else 9),
        rows.growth([256, 512, 1024] if quick else [256, 512, 768, 1024, 1536], 1 if quick else 5),
        rows.fewer_keys((512, 1536), 1024, 1 if quick else 5),
        rows.training_step(200 if quick else 473, 2 if quick else 4, 2 if quick else 5),
        rows.evaluation(40 if quick else 200),
        rows.labelling(64 if quick else 400),
        photographs.photographs((640, 480), 3 if quick else 15, 1 if quick else 5),
        large.large_images((2000, 1500) if quick else (4000, 3000), 1 if quick else 5, 1 if quick else 5, "6"),
        large.large_images((4000, 3000) if quick else (11520, 8640), 1 if quick else 3, 1 if quick else 3, "60"),
        large.evaluation_at_limit((640, 480), 640, 3 if quick else 10, 1 if quick else 5),
        graphs.in_onnx_runtime(60 if quick else 400, 3 if quick else 9),
        *([] if quick else [graphs.compiled(400, 9)]),
        *(on_gpu(quick) if torch.cuda.is_available() else []),
    ]
    table, found = Table(), []
    for heading in ("what", "value", "", "goal"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for part in parts:
        for row in part:
            found.append(row)
            table.add_row(row.what, f"{row.value:.2f}", row.unit, row.goal)
    Console(width=120).print(table)
    if chosen.json:
        write_json({**provenance(), "rows": [row._asdict() for row in found]}, chosen.json)


if __name__ == "__main__":
    main()
