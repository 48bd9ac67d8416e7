"""Large images: `photo` on a JPEG of many megapixels, and an evaluation with a limit of the longer side."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import Work, memory_of_segment, seconds_of_process, side_by_side
from benchmarks.photographs import picture
from benchmarks.rows import Measurement
from benchmarks.setting import Setting
from cdpnet.bulk.segment_files import Output, segment_images
from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import open_episodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.evaluation.loop import evaluate
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.report.images import to_image

_SMALL = (640, 480)  # width and height of the image that a large one is an enlargement of
_CLASSES = 4


def large_images(size: tuple[int, int], rounds: int, processes: int, goal: str = "") -> Iterator[Measurement]:
    """An image file of width and height ``size``, against the same at 640 x 480; rounds here, and of new processes.

    goal: seconds of `cdpnet segment`.
    """
    image, mask = picture(*_SMALL)
    segmenter = Segmenter(load_network("photo"))
    learned = segmenter.learn("disc", image, mask)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        small, example_mask, large = (place / name for name in ("small.jpg", "mask.png", "large.jpg"))
        to_image(image).save(small, quality=95)
        to_image(mask.expand(3, -1, -1) * 255).save(example_mask)
        to_image(image).resize(size, Image.Resampling.BICUBIC).save(large, quality=90)

        def segment(path: Path) -> None:
            segment_images(
                segmenter, learned, [Output(path, place / "found.png", place / "overlay.png")], lambda *_: None
            )

        def encode() -> None:
            with torch.inference_mode():
                segmenter.network.image.features(image[None])

        work: dict[str, Work] = {"encoder": encode, "small": partial(segment, small), "large": partial(segment, large)}
        seconds = side_by_side(work, rounds)
        name = f"photo, JPEG of {size[0]:,} x {size[1]:,}"
        yield Measurement(f"{name}, from file to mask and overlay", seconds["large"] / seconds["encoder"])
        yield Measurement(f"{name}, one of 640 x 480 beside it", seconds["small"] / seconds["encoder"])
        yield Measurement(f"{name}, one encoder pass of 640 x 480 beside it", 1000 * seconds["encoder"], "ms")
        if not processes:
            return
        arguments = ["--support", f"{small}:{example_mask}", "--out", str(place / "out"), "--overwrite", str(large)]
        command = [sys.executable, "-m", "cdpnet", "segment", *arguments]
        yield Measurement(f"{name}, cdpnet segment", seconds_of_process(command, processes), "s", goal)
        yield Measurement(f"{name}, peak memory of cdpnet segment", memory_of_segment(arguments), "MiB", "1431")


def evaluation_at_limit(size: tuple[int, int], side: int, episodes: int, rounds: int) -> Iterator[Measurement]:
    """Episodes of images of width and height ``size``, scaled down to ``side`` pixels and scored at native size."""
    network = Setting.of(64).network
    scaled = tuple(round(length * min(1, side / max(size))) for length in reversed(size))
    image = torch.randint(0, 256, (1, 3, *scaled), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        _write_data(Path(folder), size)
        data = DataOnDisk(DataConfig("folder", folder, longest_side=side))
        source = open_episodes(data, 0, 1, "test")

        def encode() -> None:
            with torch.inference_mode():
                network.image.features(image)

        seconds = side_by_side({"encoder": encode, "all": partial(evaluate, network, source, episodes)}, rounds)
    name = f"evaluation at a limit of {side} px, images of {size[0]} x {size[1]}"
    yield Measurement(f"{name}, an episode", seconds["all"] / episodes / seconds["encoder"])
    yield Measurement(f"{name}, one encoder pass beside it", 1000 * seconds["encoder"], "ms")
    yield Measurement(f"{name}, 1-shot", episodes / seconds["all"], "episodes/s", ">= 1")


def _write_data(root: Path, size: tuple[int, int], images: int = 40) -> None:
    """Images of noise on which each class in turn has a rectangle."""
    (root / "classes.txt").write_text("".join(f"class {i}\n" for i in range(_CLASSES)))
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    width, height = size
    chance = np.random.default_rng(0)
    for i in range(images):
        coarse = Image.fromarray(chance.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).save(root / "images" / f"{i:02d}.jpg")
        labels = np.zeros((height, width), np.uint8)
        labels[height // 4 : height * 3 // 4, width // 4 : width // 2] = i % _CLASSES + 1
        Image.fromarray(labels).save(root / "masks" / f"{i:02d}.png")
