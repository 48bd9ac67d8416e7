"""The model `photo` on images of 640 x 480 pixels: throughput, memory, and the time to the first mask."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measure import peak_memory, seconds_of_process, side_by_side
from benchmarks.rows import Measurement
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.report.images import to_image


def photographs(size: tuple[int, int], rounds: int, processes: int) -> Iterator[Measurement]:
    """Width and height in pixels; rounds in this process, and rounds of new processes."""
    width, height = size
    image, mask = picture(width, height)
    network = load_network("photo")
    refined, plain = (Segmenter(network, longest_side=width, refine=refine) for refine in (True, False))
    learned = refined.learn("disc", image, mask)

    def encode() -> Tensor:
        with torch.inference_mode():
            return network.image.features(image[None])

    work = {
        "encoder": encode,
        "refined": lambda: refined.segment(image, learned).mask,
        "plain": lambda: plain.segment(image, learned).mask,
    }
    seconds = side_by_side(work, rounds)
    name = f"photo, {width} x {height}"
    yield Measurement(f"{name}, encoder alone", 1000 * seconds["encoder"], "ms")
    yield Measurement(
        f"{name}, one class, refined", 100 * seconds["encoder"] / seconds["refined"], "% of encoder", ">= 70"
    )
    yield Measurement(f"{name}, one class, not refined", 100 * seconds["encoder"] / seconds["plain"], "% of encoder")
    if not processes:
        return
    yield Measurement("photo, peak memory of a process", peak_memory("photo", width), "MiB", "1536")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        to_image(image).save(place / "image.png")
        to_image(mask.expand(3, -1, -1) * 255).save(place / "mask.png")
        command = [sys.executable, "-m", "cdpnet", "segment", "--support", f"{place}/image.png:{place}/mask.png"]
        command += ["--out", str(place / "out"), "--overwrite", str(place / "image.png")]
        yield Measurement("photo, cdpnet segment to its first mask", seconds_of_process(command, processes), "s", "8")


def picture(width: int, height: int) -> tuple[Tensor, Tensor]:
    """A bright disc on a soft random background, (3, H, W) uint8, and its mask (H, W) uint8."""
    coarse = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0] * 180
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    mask = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (height / 4) ** 2
    image[:, mask] = 240
    return image.to(torch.uint8), mask.to(torch.uint8)
