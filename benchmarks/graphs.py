"""Other ways to run the network: the graphs of `cdpnet export` on icons, and torch.compile."""

from __future__ import annotations

import copy
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from benchmarks.measure import Work, side_by_side
from benchmarks.rows import Measurement
from benchmarks.setting import Setting
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.episode import EpisodeBatch
from cdpnet.evaluation.loop import segment_episodes
from cdpnet.inference.onnx_export import LEARN, SEGMENT, export, quantise
from cdpnet.network.build import load_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.runtime.metrics import SegmentationCounts

_IMAGES = 20  # of one measurement


class Graphs:
    """Both graphs in ONNX Runtime, on as many threads as PyTorch has."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave PyTorch its cores
        self.learn_session, self.segment_session = (
            onnxruntime.InferenceSession(folder / name, options) for name in (LEARN, SEGMENT)
        )

    def learn(self, batch: EpisodeBatch, text: Tensor) -> dict[str, Any]:
        """The classes of a batch as inputs of `segment`."""
        masks = batch.support_masks.to(torch.uint8)
        given = {"images": batch.support_images.numpy(), "masks": masks.numpy(), "text": text.numpy()}
        outputs = (output.name for output in self.learn_session.get_outputs())
        learned = dict(zip(outputs, self.learn_session.run(None, given), strict=True))
        learned["text"] = learned.pop("text_prototype")
        return learned

    def segment(self, images: Tensor, learned: dict[str, Any]) -> np.ndarray:
        """Scores (Q, n, H, W) of images (Q, 3, H, W)."""
        scores: np.ndarray = self.segment_session.run(["scores"], {"images": images.numpy(), **learned})[0]
        return scores


class Scored(NamedTuple):
    """mIoU of icon episodes, and the share of pixels that are as the network itself has them."""

    miou: float
    alike: float


def scored(graphs: Graphs, network: PrototypeNetwork, count: int) -> Scored:
    """As `evaluate` scores: a location is the class's where that beats its background."""
    episodes, alike = IconEpisodes(0, 1, "test"), []
    assert network.text is not None
    total = SegmentationCounts(len(episodes.class_names))
    for i in range(count):
        drawn = episodes.draw(torch.tensor([i]))
        learned = graphs.learn(drawn.batch, network.text.encode(drawn.batch.class_names))
        masks = torch.from_numpy(graphs.segment(drawn.batch.query_images, learned)[:, 0] > 0.5).long()
        total.add(masks, drawn.query_masks, drawn.class_ids)
        with torch.inference_mode():
            alike.append((segment_episodes(network, drawn) == masks).float().mean())
    return Scored(total.miou(), torch.stack(alike).mean().item())


def in_onnx_runtime(count: int, rounds: int) -> Iterator[Measurement]:
    """The graphs of the embedded network, in float32 and in int8."""
    network = load_network("tiny")
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(_IMAGES)).batch
    first = (batch.support_images[:1], batch.support_masks[:1])
    with torch.inference_mode():
        prototypes = network.learn(*first, batch.class_names[:1])

    def by_network() -> None:
        with torch.inference_mode():
            for image in batch.query_images:
                network.match(image[None], prototypes)

    def by_graphs(graphs: Graphs, learned: dict[str, Any]) -> None:
        for image in batch.query_images:
            graphs.segment(image[None], learned)

    assert network.text is not None
    one, text = EpisodeBatch(*first, batch.query_images[:1], batch.class_names[:1]), network.text
    work: dict[str, Work] = {"PyTorch": by_network}
    with tempfile.TemporaryDirectory() as place:
        in_full, in_int8 = Path(place, "float32"), Path(place, "int8")
        export(network, in_full)
        shutil.copytree(in_full, in_int8)
        for graph in (LEARN, SEGMENT):
            quantise(in_int8 / graph)
        for folder, goal in ((in_full, ">= 99.9"), (in_int8, "")):
            name, graphs = folder.name, Graphs(folder)
            result = scored(graphs, network, count)
            yield Measurement(f"ONNX, {name}: mIoU of {count} icon episodes", result.miou, "")
            yield Measurement(f"ONNX, {name}: pixels as PyTorch has them", 100 * result.alike, "%", goal)
            yield Measurement(f"ONNX, {name}: segment.onnx", (folder / SEGMENT).stat().st_size / 1e6, "MB")
            work[name] = partial(by_graphs, graphs, graphs.learn(one, text.encode(one.class_names)))
        seconds = side_by_side(work, rounds)
    for name in ("float32", "int8"):
        yield Measurement(f"ONNX, {name}: query of 128 px / PyTorch", seconds[name] / seconds["PyTorch"], "x")


@torch.inference_mode()
def compiled(size: int, rounds: int) -> Iterator[Measurement]:
    """The encoder by torch.compile, against itself."""
    setting = Setting.of(size)
    encoder, image = setting.network.image, setting.batch.query_images
    other = copy.deepcopy(encoder)
    other.compile_grid()
    start = time.perf_counter()
    answer = other.features(image)
    yield Measurement("torch.compile, first pass of the encoder", time.perf_counter() - start, "s")
    expected = encoder.features(image)
    yield Measurement(
        "torch.compile, largest difference", ((answer - expected).abs().max() / expected.abs().max()).item(), ""
    )
    work = {"eager": partial(encoder.features, image), "compiled": partial(other.features, image)}
    seconds = side_by_side(work, rounds)
    yield Measurement(f"torch.compile, encoder pass of {size} px", seconds["compiled"] / seconds["eager"])
