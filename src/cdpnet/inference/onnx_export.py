"""A network as two ONNX graphs for programs without PyTorch: one learns classes, one segments images."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from cdpnet.episode import BACKGROUND_NAME
from cdpnet.errors import ConfigError
from cdpnet.inference.refinement import refine_edges
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import atomic, write_json
from cdpnet.network.checkpoint import describe_network
from cdpnet.network.decision import decide, is_absent, log_odds
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes
from cdpnet.network.parts import N_PARTS
from cdpnet.network.presence import (
    name_similarity,
    presence_probability,
    presence_statistic,
    presence_thresholds,
    recognises_name,
)
from cdpnet.runtime.provenance import version

LEARN, SEGMENT, NAMES, ABOUT = "learn.onnx", "segment.onnx", "names.safetensors", "about.json"
_OPSET = 20
_EXAMPLE = (2, 3, 96, 128)  # episodes or images, shots or classes, H, W; the exporter takes a size of 1 for a constant


class LearnModule(nn.Module):
    """The computation of learn.onnx: B classes from K images and masks of each."""

    def __init__(self, network: PrototypeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, masks: Tensor, text: Tensor | None = None) -> tuple[Tensor, ...]:
        """Prototypes background, foreground (B, C); by_name (B,) bool and shots (B,), the number of examples.

        Before by_name stand u (B, C), for a network that reads names, and the parts (B, 2, n, C), for one with them.
        images (B, K, 3, H, W) uint8; masks (B, K, H, W) uint8, 255 is ignored; text: features t (B, D) of the names,
        zeros for no name, or None for a network that reads no names.
        """
        network, (episodes, shots) = self.network, images.shape[:2]
        names = text if text is not None else masks.new_zeros(episodes, 1)  # only their number is used then
        views, view_masks = network.add_views(images.flatten(0, 1)[:, None], masks.flatten(0, 1)[:, None])
        grids = network.encode_shots(views)
        repeated = names[:, None].expand(-1, shots, -1).flatten(0, 1)
        each = network.learn_features(grids, view_masks, repeated)
        config = network.config.decision
        fused, text_channels = network.fuse(grids[:, 0], each.text), network.image.text_channels
        similarity = name_similarity(fused, each, each.named, config, text_channels)
        rows = each.map(lambda part: part.reshape(episodes, shots, *part.shape[1:]))
        learned = Prototypes(
            rows.background.mean(dim=1),
            rows.foreground.mean(dim=1),
            None if rows.text is None else rows.text[:, 0],
            None if rows.parts is None else rows.parts.transpose(1, 2).flatten(2, 3),
        )
        by_name = recognises_name(similarity.reshape(episodes, shots).mean(dim=1), learned.named, config)
        numbers = torch.ones_like(masks[:, :, 0, 0], dtype=torch.int64).sum(dim=1)
        return *(part for part in learned if part is not None), by_name, numbers


class SegmentModule(nn.Module):
    """The computation of segment.onnx: Q images and n learned classes, decided as by `Segmenter`.

    Thresholds are the network's own. refine: whether edges are refined.
    """

    def __init__(self, network: PrototypeNetwork, *, refine: bool) -> None:
        super().__init__()
        self.network, self.refine = network, refine

    def forward(
        self,
        images: Tensor,
        background: Tensor,
        foreground: Tensor,
        by_name: Tensor,
        shots: Tensor,
        text: Tensor | None = None,
        parts: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masks (Q, H, W) uint8, 0 background, i + 1 class i; scores (Q, n, H, W) and presence (Q, n), both 0..1.

        images (Q, 3, H, W) uint8; outputs of `LearnModule`: prototypes (n, C), by_name (n,) bool, shots (n,), parts. A
        score is the probability against the class's own background, absent or not.
        """
        network, config = self.network, self.network.config.decision
        count, classes = images.shape[0], foreground.shape[0]
        grids = network.image.features(images)
        repeated = grids[:, None].expand(-1, classes, -1, -1, -1).flatten(0, 1)  # (Q * n, C, h, w)
        learned = Prototypes(background, foreground, text, parts)
        prototypes = learned.map(lambda part: part.repeat(count, *[1] * (part.ndim - 1)))  # (Q * n, ...)
        named = by_name.repeat(count)
        prediction = network.match_features(repeated, prototypes, grids.shape[-2:])
        query, text_channels = prediction.query_features, network.image.text_channels
        similarity = presence_statistic(query, prototypes, named, config, text_channels)
        presence = presence_probability(similarity, named, config).reshape(count, classes)
        odds = log_odds(prediction.logits).reshape(count, classes, *grids.shape[-2:])
        if self.refine:
            odds = refine_edges(odds, images)
        odds = F.interpolate(odds, size=images.shape[-2:], mode="bilinear", align_corners=True)
        absent = is_absent(presence, presence_thresholds(by_name, shots, config))
        return decide(odds, absent, config.background).to(torch.uint8), odds.sigmoid(), presence


@dataclass(frozen=True)
class ExportInfo:
    """The content of about.json: what a program needs to know to use the graphs like a `Segmenter`.

    model: fingerprint of the network, as in class files. model_name: its description. longest_side: in pixels, of
    images. threshold: probability of a class at a pixel. text_features: number D of text features, 0 for a network that
    reads no names. precision: of the weights, float32 or int8. cdpnet: version that wrote the files.
    """

    model: str
    model_name: str
    longest_side: int
    threshold: float
    text_features: int
    precision: str
    cdpnet: str

    @classmethod
    def of(cls, segmenter: Segmenter, *, int8: bool) -> ExportInfo:
        """The information about the network of a segmenter."""
        text, precision = segmenter.network.text, "int8" if int8 else "float32"
        side, dim = segmenter.preprocessing.longest_side, 0 if text is None else text.dim
        return cls(*segmenter.model, side, segmenter.threshold, dim, precision, version())

    def to_json(self) -> dict[str, str | float]:
        """The values as they stand in the file."""
        return asdict(self)


@dataclass(frozen=True)
class _Graph:
    """A graph to export: example inputs by name, the dimensions of any size by number, the names of the outputs."""

    module: nn.Module
    inputs: dict[str, Tensor]
    dimensions: dict[str, dict[int, str]]
    outputs: tuple[str, ...]


def export(
    network: PrototypeNetwork, folder: str | Path, names: Sequence[str] = (), *, int8: bool = False
) -> list[Path]:
    """Write both graphs, about.json, and the text features t of ``names``; returns the paths.

    int8: weights in eight bits, activations quantised while running. The network is not changed.

    ConfigError for names where the network reads none, for an encoder of which no graph can be made, and for a network
    whose match is not exact.
    """
    if names and network.text is None:
        raise ConfigError(f"The network {describe_network(network.config)} reads no names; leave out --names.")
    if network.config.matching.keys is not None:
        raise ConfigError("The graphs hold the exact match; set matching.keys of the network to null to export it.")
    network, folder = copy.deepcopy(network).cpu().eval(), Path(folder)
    paths = [folder / name for name in (LEARN, SEGMENT, ABOUT, *([NAMES] if names else []))]
    with ExitStack() as stack:  # all files, or none
        learn, segment, about, *features = [stack.enter_context(atomic(path)) for path in paths]
        segmenter = Segmenter(network)
        graphs = _learn_graph(network), _segment_graph(network, refine=segmenter.refine)
        for path, graph in zip((learn, segment), graphs, strict=True):
            _write(graph, path, network)
            if int8:
                quantise(path)
        write_json(ExportInfo.of(segmenter, int8=int8).to_json(), about)
        for path in features:
            path.write_bytes(save(_text_features(network, names)))
    if not names:  # those of an earlier export may be another network's
        (folder / NAMES).unlink(missing_ok=True)
    return paths


def _text_features(network: PrototypeNetwork, names: Sequence[str]) -> dict[str, Tensor]:
    """The text feature t (D,) of every name."""
    assert network.text is not None  # `export` has checked it
    return dict(zip(names, network.text.encode(names), strict=True))


def quantise(path: Path) -> None:
    """Convert the weights of a graph to eight bits, in place; activations are quantised while running."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with atomic(path) as temporary, _quiet():
        quantize_dynamic(path, temporary, weight_type=QuantType.QUInt8)  # signed ones have no convolution on CPUs


def _learn_graph(network: PrototypeNetwork) -> _Graph:
    episodes, shots, h, w = _EXAMPLE
    masks = torch.zeros(episodes, shots, h, w, dtype=torch.uint8)
    masks[..., h // 4 : h // 2, w // 4 : w // 2] = 1
    inputs = {"images": torch.zeros(episodes, shots, 3, h, w, dtype=torch.uint8), "masks": masks}
    dimensions = {
        "images": {0: "episodes", 1: "shots", 3: "height", 4: "width"},
        "masks": {0: "episodes", 1: "shots", 2: "height", 3: "width"},
    }
    outputs: tuple[str, ...] = ("background", "foreground")
    if network.text is not None:
        inputs["text"], dimensions["text"] = torch.ones(episodes, network.text.dim), {0: "episodes"}
        outputs = (*outputs, "text_prototype")
    if network.config.part_prototypes:
        outputs = (*outputs, "parts")
    return _Graph(LearnModule(network), inputs, dimensions, (*outputs, "by_name", "shots"))


def _segment_graph(network: PrototypeNetwork, *, refine: bool) -> _Graph:
    images, classes, h, w = _EXAMPLE
    prototype = torch.ones(classes, network.image.channels)
    inputs = {
        "images": torch.zeros(images, 3, h, w, dtype=torch.uint8),
        "background": prototype,
        "foreground": prototype.clone(),
        "by_name": torch.ones(classes, dtype=torch.bool),
        "shots": torch.ones(classes, dtype=torch.int64),
    }
    if network.text is not None:
        inputs["text"] = prototype.clone()
    if network.config.part_prototypes:
        inputs["parts"] = torch.ones(classes, 2, N_PARTS, network.image.channels)
    dimensions = {name: {0: "classes"} for name in inputs}
    if "parts" in inputs:
        dimensions["parts"][2] = "parts"
    dimensions["images"] = {0: "images", 2: "height", 3: "width"}
    return _Graph(SegmentModule(network, refine=refine), inputs, dimensions, ("masks", "scores", "presence"))


@torch.no_grad()
def _write(graph: _Graph, path: Path, network: PrototypeNetwork) -> None:
    """Write a graph. ConfigError where the encoder cannot be exported."""
    if network.text is not None:
        network.text.encode((BACKGROUND_NAME,))  # encoded before the export, it is a constant of the graph
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which logs and warns about its own progress."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
