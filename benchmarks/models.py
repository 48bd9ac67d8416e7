"""Time and memory of every named model: `python -m benchmarks.models` writes src/cdpnet/encoders/measured.json anew.

Each model segments a made-up image of 640 x 480 pixels in a process of its own, on one core. Weights are random where
they would have to be downloaded; that changes neither time nor memory by much. Time is that of the processor, so that
other work on the machine changes it little. The mIoU comes from the result files of photographs and from the table of
the icons in docs/explanation/results.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import mean
from time import process_time

import torch

from benchmarks.memory import peak
from benchmarks.photographs import picture
from cdpnet.encoders.catalogue import PAIRS, RANDOM, WeightSources
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import read_text, write_text
from cdpnet.network.build import load_network
from cdpnet.runtime.memory import keep_freed_memory

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "src" / "cdpnet" / "encoders" / "measured.json"
_EMBEDDED = ("photo", "tiny")
_ROUNDS = 3


def measure(name: str) -> dict[str, float]:
    """CPU seconds of an image of 640 x 480, after a first one; MiB at most; millions of parameters of both encoders."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as the commands do
    network = load_network(name, sources=None if name in _EMBEDDED else WeightSources(RANDOM, RANDOM))
    segmenter = Segmenter(network)
    image, mask = picture(640, 480)
    learned = segmenter.learn("disc", image, mask)
    _ = segmenter.segment(image, learned).mask
    start = process_time()
    for _ in range(_ROUNDS):
        _ = segmenter.segment(image, learned).mask
    seconds = (process_time() - start) / _ROUNDS
    return {
        "seconds": round(seconds, 2),
        "memory": round(peak()),
        "parameters": round(sum(p.numel() for p in network.image.parameters()) / 1e6, 1),
        "channels": network.image.channels,
        "stride": network.image.stride,
    }


def scores() -> dict[str, dict[str, float]]:
    """The mIoU of models, the mean of four folds: `photo` on photographs, `tiny` on icons."""
    photographs = {
        f"photographs_{shots}_shot": _mean_miou(
            sorted((ROOT / "docs" / "photographs").glob(f"cdpn-fold?-{shots}shot*.json"))
        )
        for shots in (1, 5)
    }
    results = read_text(ROOT / "docs" / "explanation" / "results.md")
    icons = {}
    for shots in (1, 5):
        row = re.search(rf"^\| `cdpn` \| {shots} \|(?: [\d.]+ \|){{4}} ([\d.]+) \|", results, re.MULTILINE)
        if row is None:
            raise LookupError(f"docs/explanation/results.md has no row of cdpn with the figures of {shots} shots.")
        icons[f"icons_{shots}_shot"] = float(row[1])
    return {"photo": photographs, "tiny": icons}


def _mean_miou(files: list[Path]) -> float:
    if len(files) != 4:
        raise LookupError(f"There are {len(files)} result files of four folds.")
    return round(mean(float(json.loads(read_text(file))["miou"]) for file in files), 1)


def main() -> None:
    """Measure all models, or the one that is named."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
        return
    found: dict[str, dict[str, float]] = {}
    for name in PAIRS:
        command = [sys.executable, "-m", "benchmarks.models", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        found[name] = {**json.loads(done.stdout.splitlines()[-1]), **scores().get(name, {})}
        print(name, found[name], flush=True)
    write_text(json.dumps(found, indent=1) + "\n", TARGET)


if __name__ == "__main__":
    main()
