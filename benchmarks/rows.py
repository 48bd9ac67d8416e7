"""What is measured: a function for each part of the table, which gives its rows."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import naive
from benchmarks.measure import Work, peak_memory, seconds_of_process, side_by_side
from benchmarks.setting import Setting
from cdpnet.bulk.engines import label_locally
from cdpnet.bulk.job import run_job
from cdpnet.bulk.labeller import Labeller
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.episode import EpisodeBatch
from cdpnet.evaluation.loop import evaluate, segment_episodes
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.image_tensors import read_image
from cdpnet.labels.label_set import LabelSet
from cdpnet.labels.palette import write_mask
from cdpnet.network.build import load_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prediction
from cdpnet.report.images import to_image
from cdpnet.runtime.devices import autocast


class Measurement(NamedTuple):
    """A line of the table. goal: what is aimed at, at most, or at least where it begins with >=."""

    what: str
    value: float
    unit: str = "x encoder"
    goal: str = ""


def _logits(network: PrototypeNetwork, batch: EpisodeBatch, attention_dtype: torch.dtype | None = None) -> Tensor:
    prediction: Prediction = network(batch, attention_dtype)
    return prediction.logits


def _in_half(work: Callable[..., Tensor], *inputs: object) -> Tensor:
    with autocast("bfloat16", torch.device("cpu")):
        return work(*inputs)


@torch.inference_mode()
def queries(size: int, rounds: int) -> Iterator[Measurement]:
    """One query of a class learned before, against one pass of the encoder over it in float32."""
    for everywhere in (False, True):
        setting = Setting.of(size, everywhere=everywhere)
        network, batch, image = setting.network, setting.batch, setting.batch.query_images
        prototypes = network.learn(batch.support_images, batch.support_masks, batch.class_names)

        def query(network: PrototypeNetwork, *inputs: object) -> Tensor:
            return network.match(*inputs).masks  # type: ignore[arg-type]

        in_float32 = partial(query, network, image, prototypes)
        attention = partial(query, network, image, prototypes, torch.bfloat16)
        work = {
            "encoder": partial(network.image.features, image),
            "float32": in_float32,
            "attention": attention,
            "bfloat16": partial(_in_half, query, network, image, prototypes),
            "naive": partial(naive.query, network, image, prototypes),
        }
        seconds = side_by_side(work, rounds)
        sets = "all locations background" if everywhere else "sets as they come"
        for name, goal in (("float32", "2.0"), ("attention", "1.4"), ("bfloat16", "0.7"), ("naive", "")):
            yield Measurement(f"query, {name}, {sets}", seconds[name] / seconds["encoder"], goal=goal)
        alike = (in_float32() == attention()).float().mean().item()
        yield Measurement(f"pixels alike with the attention in bfloat16, {sets}", 100 * alike, "%", ">= 99.9")
        yield Measurement(f"one encoder pass beside these, {size} px, {sets}", 1000 * seconds["encoder"], "ms")


@torch.inference_mode()
def whole_episodes(size: int, rounds: int) -> Iterator[Measurement]:
    """Supports and query, from images to logits."""
    for shots, goals in ((1, ("3.0", "2.4")), (5, ("7.0", "6.4"))):
        setting = Setting.of(size, shots, everywhere=True)
        network, batch = setting.network, setting.batch

        work = {
            "encoder": partial(network.image.features, batch.query_images),
            "float32": partial(_logits, network, batch),
            "attention": partial(_logits, network, batch, torch.bfloat16),
            "naive": partial(naive.episodes, network, batch),
        }
        seconds = side_by_side(work, rounds)
        for name, goal in (("float32", goals[0]), ("attention", goals[1]), ("naive", "")):
            yield Measurement(f"{shots}-shot episode, {name}", seconds[name] / seconds["encoder"], goal=goal)


@torch.inference_mode()
def growth(sizes: list[int], rounds: int) -> Iterator[Measurement]:
    """A query over growing images, with all locations background."""
    before: dict[str, float] = {}
    for size in sizes:
        setting = Setting.of(size, everywhere=True)
        network, image = setting.network, setting.batch.query_images
        small = Setting.of(64).batch
        prototypes = network.learn(small.support_images, small.support_masks, small.class_names)
        work: dict[str, Work] = {
            "encoder": partial(network.image.features, image),
            "query": partial(network.match, image, prototypes),
        }
        seconds = side_by_side(work, rounds)
        seconds["the rest"] = seconds["query"] - seconds["encoder"]
        yield Measurement(f"query, {size} px", seconds["query"] / seconds["encoder"])
        for name in ("encoder", "the rest"):
            yield Measurement(f"{name}, {size} px", 1000 * seconds[name], "ms")
            if before:
                times = math.log(seconds[name] / before[name]) / math.log(size / before["size"])
                yield Measurement(f"{name} grows with the power of the side, to {size} px", times, "")
        memory = peak_memory("query", size) - peak_memory("encoder", size)
        yield Measurement(
            f"memory of a query above the encoder's, {size} px", memory, "MiB", "300" if size == 1024 else ""
        )
        before = {**seconds, "size": float(size)}


@torch.inference_mode()
def fewer_keys(sizes: tuple[int, int], keys: int, rounds: int) -> Iterator[Measurement]:
    """A match over two sizes with at most ``keys`` keys, with all locations background."""
    small = Setting.of(64).batch
    seconds: list[float] = []
    for size in sizes:
        setting = Setting.of(size, everywhere=True)
        network, image = setting.network, setting.batch.query_images
        network.config = replace(network.config, matching=replace(network.config.matching, keys=keys))
        prototypes = network.learn(small.support_images, small.support_masks, small.class_names)
        work = {"match": partial(network.match_features, network.image.features(image), prototypes, (size, size))}
        seconds.append(side_by_side(work, rounds)["match"])
        yield Measurement(f"the rest with {keys:,} keys, {size} px", 1000 * seconds[-1], "ms")
    power = math.log(seconds[1] / seconds[0]) / math.log(sizes[1] / sizes[0])
    yield Measurement(
        f"the rest with {keys:,} keys grows with the power of the side, {sizes[0]} to {sizes[1]} px", power, "", "2.2"
    )


def training_step(size: int, episodes: int, rounds: int) -> Iterator[Measurement]:
    """Forward, loss of the output and backward of a batch; bfloat16 on a GPU, float32 on a CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = Setting.of(size, 1, episodes)
    network, batch = setting.network.to(device).train(), setting.batch.to(device)
    target = batch.support_masks[:, 0].long()

    def step(logits_of: Callable[[EpisodeBatch], Tensor]) -> float:
        network.zero_grad()
        with autocast("auto", device):
            loss = F.cross_entropy(logits_of(batch).float(), target)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    work = {"ours": partial(step, partial(_logits, network)), "naive": partial(step, partial(naive.episodes, network))}
    seconds = side_by_side(work, rounds)
    name = f"training step, {episodes} episodes of {size} px on a {'GPU' if device.type == 'cuda' else 'CPU'}"
    yield Measurement(
        f"{name}, naive / ours", seconds["naive"] / seconds["ours"], "x", ">= 3" if device.type == "cuda" else ""
    )


def evaluation(episodes: int) -> Iterator[Measurement]:
    """The evaluation loop on the embedded data: the share of its time that is not the network's."""
    network, source = load_network("tiny"), IconEpisodes(0, 1, "test")
    drawn = [source.draw(numbers) for numbers in torch.split(torch.arange(episodes), 8)]
    evaluate(network, source, 16)

    def alone() -> None:
        with torch.inference_mode():
            for one in drawn:
                segment_episodes(network, one)

    work: dict[str, Work] = {"alone": alone, "loop": partial(evaluate, network, source, episodes)}
    seconds = side_by_side(work, 3)
    share = 100 * (1 - seconds["alone"] / seconds["loop"])
    yield Measurement(
        f"evaluation of {episodes} icon episodes, outside the network (they are rendered there)", share, "%", "15"
    )


def labelling(images: int) -> Iterator[Measurement]:
    """A folder of 128 px images through `cdpnet label`, against one image after the other, naively."""
    drawn = IconEpisodes(0, 1, "test").draw(torch.arange(images)).batch
    segmenter = Segmenter(load_network("tiny"))
    learned = segmenter.learn(drawn.class_names[0], drawn.support_images[0, 0], drawn.support_masks[0, 0])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "images").mkdir()
        for i, image in enumerate(drawn.query_images):
            to_image(image).save(place / "images" / f"{i:04d}.png")
        job = labelling_job(place, segmenter, learned)
        start = time.perf_counter()
        job()
        ours = time.perf_counter() - start
        start = time.perf_counter()
        with torch.inference_mode():
            for path in sorted((place / "images").iterdir()):
                batch = replace_query(drawn, read_image(path))
                mask = naive.episodes(segmenter.network, batch).argmax(dim=1)[0].to(torch.uint8).numpy()
                write_mask(place / "naive" / path.name, mask)
        plain = time.perf_counter() - start
    yield Measurement("labelling, PNG, one class, 128 px", images / ours, "images/s")
    yield Measurement("labelling, naive / ours", plain / ours, "x")


def labelling_job(folder: Path, segmenter: Segmenter, learned: ClassPrototype) -> Work:
    """The job that `cdpnet label` does with one class: from ``images`` in a folder to masks as PNG in ``out``."""
    labels = LabelSet(folder / "images", folder / "out", (learned.name,))
    return partial(run_job, Labeller(segmenter, [learned], labels, "png"), label_locally, overwrite=True)


def replace_query(batch: EpisodeBatch, image: Tensor) -> EpisodeBatch:
    """The first episode of a batch with another query (3, H, W)."""
    first = EpisodeBatch(
        batch.support_images[:1], batch.support_masks[:1], batch.query_images[:1], batch.class_names[:1]
    )
    return replace(first, query_images=image[None])


def starting() -> Iterator[Measurement]:
    """How long it takes until something is there, in a new process less an empty one."""
    empty = seconds_of_process([sys.executable, "-c", ""])
    command = [sys.executable, "-c", "from cdpnet.cli import main; main(['--help'])"]
    yield Measurement("import cdpnet", seconds_of_process([sys.executable, "-c", "import cdpnet"]) - empty, "s", "1.5")
    yield Measurement("cdpnet --help", seconds_of_process(command) - empty, "s", "0.5")
