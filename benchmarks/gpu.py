"""What is measured on a GPU: episodes and a training step in bfloat16, and a folder of photographs that is labelled."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from benchmarks.measure import Work, side_by_side
from benchmarks.photographs import picture
from benchmarks.rows import Measurement, labelling_job
from benchmarks.setting import Setting
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.report.images import to_image
from cdpnet.runtime.devices import autocast


def episodes_and_step(device: torch.device, size: int, episodes: int, large: int, rounds: int) -> Iterator[Measurement]:
    """A batch of 1-shot episodes, one of ``large`` pixels, and a training step, in milliseconds of bfloat16."""
    many, one = Setting.of(size, 1, episodes), Setting.of(large)
    batch, target = many.batch.to(device), many.batch.support_masks[:, 0].long().to(device)
    network = many.network.to(device)
    optimizer = torch.optim.SGD((p for p in network.parameters() if p.requires_grad), 1e-3)

    def forward(inputs: object) -> None:
        with torch.inference_mode(), autocast("bfloat16", device):
            network(inputs)

    def step() -> None:
        with autocast("bfloat16", device):
            loss = F.cross_entropy(network(batch).logits.float(), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    work: dict[str, Callable[[], None]] = {
        f"1-shot, {episodes} episodes of {size} px": partial(forward, batch),
        f"1-shot, one episode of {large} px": partial(forward, one.batch.to(device)),
        f"training step of {episodes} episodes of {size} px": step,
    }
    seconds = side_by_side({name: partial(_finish, part, device) for name, part in work.items()}, rounds)
    for (name, value), goal in zip(seconds.items(), ("8.9", "8.6", "28"), strict=True):
        yield Measurement(f"{device.type}, bfloat16, {name}", 1000 * value, "ms", goal)


def labelling(device: torch.device, size: tuple[int, int], images: int) -> Iterator[Measurement]:
    """A folder of JPEGs of width and height ``size`` through `cdpnet label` with `photo`, one class, PNG masks."""
    image, mask = picture(*size)
    segmenter = Segmenter(load_network("photo").to(device))
    learned = segmenter.learn("disc", image, mask)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "images").mkdir()
        for i in range(images):
            to_image(image.roll(i, dims=2)).save(place / "images" / f"{i:05d}.jpg", quality=95)
        job = labelling_job(place, segmenter, learned)
        job()
        start = time.perf_counter()
        job()
        yield Measurement(
            f"{device.type}, labelling, photo, {size[0]} x {size[1]}",
            images / (time.perf_counter() - start),
            "images/s",
            ">= 300",
        )
        if device.type == "cuda":
            yield Measurement("share of the time of labelling that the GPU works", _busy_share(job), "%", ">= 70")


def _finish(work: Callable[[], None], device: torch.device) -> None:
    """Do work to its end; a GPU works on while Python goes on."""
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _busy_share(work: Work) -> float:
    """Percent of the duration of work in which a kernel runs on the GPU."""
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    microseconds = float(sum(event.self_device_time_total for event in watched.key_averages()))
    return 100 * microseconds / 1e6 / seconds
