"""The graphs of `cdpnet export` on icons: their mIoU and their speed beside the network's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from cdpnet.data.icons import IconEpisodes
from cdpnet.episode import EpisodeBatch
from cdpnet.export import LEARN, SEGMENT
from cdpnet.metrics import SegmentationCounts
from cdpnet.network import PrototypeNetwork


class Graphs:
    """Both graphs in ONNX Runtime, on as many threads as PyTorch has."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.learning, self.finding = (
            onnxruntime.InferenceSession(folder / name, options) for name in (LEARN, SEGMENT)
        )

    def learn(self, batch: EpisodeBatch, text: Tensor) -> dict[str, Any]:
        """What `find` takes, of one class."""
        masks = batch.support_masks.to(torch.uint8)
        given = {"images": batch.support_images.numpy(), "masks": masks.numpy(), "text": text.numpy()}
        background, foreground, projected, by_name = self.learning.run(None, given)
        return {"background": background, "foreground": foreground, "text": projected, "by_name": by_name}

    def find(self, images: Tensor, learned: dict[str, Any]) -> np.ndarray:
        """Scores (Q, n, H, W) of pictures (Q, 3, H, W)."""
        scores: np.ndarray = self.finding.run(["scores"], {"images": images.numpy(), **learned})[0]
        return scores


def miou_of_graphs(folder: Path, network: PrototypeNetwork, count: int) -> float:
    """MIoU of icon episodes, scored as `evaluate` does: a location is the class's where that beats its background."""
    graphs, episodes = Graphs(folder), IconEpisodes(0, 1, "test")
    assert network.text is not None
    total = SegmentationCounts(len(episodes.class_names))
    for i in range(count):
        drawn = episodes.draw(torch.tensor([i]))
        scores = graphs.find(
            drawn.batch.query_images, graphs.learn(drawn.batch, network.text.encode(drawn.batch.class_names))
        )
        total.add(torch.from_numpy(scores[:, 0] > 0.5).long(), drawn.query_masks, drawn.class_ids)
    return total.miou()
