"""A network as two ONNX graphs for programs without PyTorch: one learns classes, the other finds them in images."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from cdpnet.episode import BACKGROUND_NAME
from cdpnet.errors import ConfigError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import atomic, write_json
from cdpnet.network.checkpoint import describe_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes
from cdpnet.network.presence import best_fit, presence, recognised, thresholds
from cdpnet.runtime.provenance import version

LEARN, SEGMENT, NAMES, ABOUT = "learn.onnx", "segment.onnx", "names.safetensors", "about.json"
_OPSET = 20
_EXAMPLE = (2, 3, 96, 128)  # episodes or images, shots or classes, H, W: a one would be taken for a constant


class LearnGraph(nn.Module):
    """K marked images of each of B classes -> what the network learns of them."""

    def __init__(self, network: PrototypeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, masks: Tensor, text: Tensor | None = None) -> tuple[Tensor, ...]:
        """Prototypes background, foreground (B, C), with names u (B, C), and by_name (B,) bool.

        images (B, K, 3, H, W) uint8; masks (B, K, H, W) uint8, 255 is ignored; text t (B, D), zeros for no name, or
        None for a network that reads no names.
        """
        network, (episodes, shots) = self.network, images.shape[:2]
        names = text if text is not None else masks.new_zeros(episodes, 1)  # as many as there are classes
        grids = network.encode_shots(images)
        learned = network.learn_features(grids, masks, names)
        fused = network.fuse(grids, learned.text).flatten(0, 1)
        config, named = network.config.decision, learned.named
        fit = best_fit(fused, _each(learned, shots), named[:, None].expand(-1, shots).flatten(), config.locations)
        by_name = recognised(fit.reshape(episodes, shots).mean(dim=1), named, config)
        return *(part for part in learned if part is not None), by_name


class SegmentGraph(nn.Module):
    """Q images, n classes learned before -> masks; the decisions of `Segmenter`, by the network's own thresholds."""

    def __init__(self, network: PrototypeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, images: Tensor, background: Tensor, foreground: Tensor, by_name: Tensor, text: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masks (Q, H, W) uint8, i + 1 for class i and 0 for none; scores (Q, n, H, W), presence (Q, n) in 0..1.

        images (Q, 3, H, W) uint8; what was learned, (n, C), by_name (n,) bool. A score is the probability against the
        class's own background, whether the class is called absent or not.
        """
        network, config = self.network, self.network.config.decision
        count, classes = images.shape[0], foreground.shape[0]
        grids = network.image.features(images)
        every = grids[:, None].expand(-1, classes, -1, -1, -1).flatten(0, 1)  # each image meets all classes
        learned = (None if part is None else part.repeat(count, 1) for part in (background, foreground, text))
        prototypes, named = Prototypes(*learned), by_name.repeat(count)  # type: ignore[arg-type]
        prediction = network.match_features(every, prototypes, grids.shape[-2:])
        fit = best_fit(prediction.query_features, prototypes, named, config.locations)
        there = presence(fit, named, config).reshape(count, classes)
        odds = (prediction.logits[:, 1] - prediction.logits[:, 0]).reshape(count, classes, *grids.shape[-2:])
        odds = F.interpolate(odds, size=images.shape[-2:], mode="bilinear", align_corners=True)
        absent = there < thresholds(by_name, config)
        best, winner = odds.masked_fill(absent[:, :, None, None], -torch.inf).max(dim=1)
        masks = torch.where(best > config.background, winner + 1, 0).to(torch.uint8)
        return masks, odds.sigmoid(), there


def _each(learned: Prototypes, times: int) -> Prototypes:
    """Every class as often as it has images: (B, C) -> (B * times, C)."""
    parts = (None if part is None else part[:, None].expand(-1, times, -1).flatten(0, 1) for part in learned)
    return Prototypes(*parts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Graph:
    """What is traced: example inputs by name, the dimensions that stay open by number, the names of the outputs."""

    module: nn.Module
    inputs: dict[str, Tensor]
    dimensions: dict[str, dict[int, str]]
    outputs: tuple[str, ...]


def export(network: PrototypeNetwork, folder: Path, names: Sequence[str] = (), *, int8: bool = False) -> list[Path]:
    """Write both graphs, what they are, and the text features t of ``names``: the paths.

    int8: weights in eight bits, activations quantised as they come. ConfigError for names that nobody reads, and for an
    encoder of which no graph can be made.
    """
    if names and network.text is None:
        raise ConfigError(f"The network {describe_network(network.config)} reads no names; leave out --names.")
    segmenter = Segmenter(network.cpu())
    paths = [folder / name for name in (LEARN, SEGMENT, ABOUT, *([NAMES] if names else []))]
    with ExitStack() as whole:  # all files, or none
        learn, segment, about, *features = [whole.enter_context(atomic(path)) for path in paths]
        for path, graph in ((learn, _learning(network)), (segment, _finding(network))):
            _write(graph, path, network)
            if int8:
                quantise(path)
        write_json(_about(segmenter, int8=int8), about)
        for path in features:
            path.write_bytes(save(_text_features(network, names)))
    if not names:  # those of an earlier export may be another network's
        (folder / NAMES).unlink(missing_ok=True)
    return paths


def _text_features(network: PrototypeNetwork, names: Sequence[str]) -> dict[str, Tensor]:
    """The text feature t (D,) of every name."""
    assert network.text is not None  # it was asked for before
    return dict(zip(names, network.text.encode(names), strict=True))


def quantise(path: Path) -> None:
    """Weights of a graph to eight bits, in place; activations are quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with atomic(path) as temporary, _quiet():
        quantize_dynamic(path, temporary, weight_type=QuantType.QUInt8)  # signed ones have no convolution on CPUs


def _learning(network: PrototypeNetwork) -> _Graph:
    episodes, shots, h, w = _EXAMPLE
    masks = torch.zeros(episodes, shots, h, w, dtype=torch.uint8)
    masks[..., h // 4 : h // 2, w // 4 : w // 2] = 1
    inputs = {"images": torch.zeros(episodes, shots, 3, h, w, dtype=torch.uint8), "masks": masks}
    dimensions = {
        "images": {0: "episodes", 1: "shots", 3: "height", 4: "width"},
        "masks": {0: "episodes", 1: "shots", 2: "height", 3: "width"},
    }
    outputs: tuple[str, ...] = ("background", "foreground", "by_name")
    if network.text is not None:
        inputs["text"], dimensions["text"] = torch.ones(episodes, network.text.dim), {0: "episodes"}
        outputs = ("background", "foreground", "text_prototype", "by_name")
    return _Graph(LearnGraph(network), inputs, dimensions, outputs)


def _finding(network: PrototypeNetwork) -> _Graph:
    images, classes, h, w = _EXAMPLE
    learned = torch.ones(classes, network.image.channels)
    inputs = {
        "images": torch.zeros(images, 3, h, w, dtype=torch.uint8),
        "background": learned,
        "foreground": learned.clone(),
        "by_name": torch.ones(classes, dtype=torch.bool),
    }
    if network.text is not None:
        inputs["text"] = learned.clone()
    dimensions = {name: {0: "classes"} for name in inputs}
    dimensions["images"] = {0: "images", 2: "height", 3: "width"}
    return _Graph(SegmentGraph(network), inputs, dimensions, ("masks", "scores", "presence"))


@torch.no_grad()
def _write(graph: _Graph, path: Path, network: PrototypeNetwork) -> None:
    if network.text is not None:
        network.text.encode((BACKGROUND_NAME,))  # read now, it is a constant of the graph
    try:
        with _quiet():
            torch.onnx.export(
                graph.module.eval(),
                kwargs=graph.inputs,
                f=path,
                input_names=list(graph.inputs),
                output_names=graph.outputs,
                dynamic_shapes=graph.dimensions,
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, torch._dynamo.exc.UserError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ConfigError(
            f"No ONNX graph can be made of the encoder {network.config.encoder.name} ({reason.strip()}); residual "
            "encoders such as tiny and clip-rn50 can be exported."
        ) from error


def _about(segmenter: Segmenter, *, int8: bool) -> dict[str, Any]:
    """What a program must know that uses the graphs in place of a `Segmenter`."""
    network = segmenter.network
    model, model_name = segmenter.model
    return {
        "model": model,
        "model_name": model_name,
        "longest_side": segmenter.preprocessing.longest_side,
        "threshold": segmenter.threshold,
        "text_features": 0 if network.text is None else network.text.dim,
        "precision": "int8" if int8 else "float32",
        "cdpnet": version(),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on its own progress."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
