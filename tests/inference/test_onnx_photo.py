"""Graphs of the model `photo`: sizes that are no multiple of its stride, and refined edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from benchmarks.photographs import picture
from cdpnet.encoders.image import to_multiple
from cdpnet.inference.onnx_export import LEARN, SEGMENT, export
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.network.views import enlarge


class _Views(nn.Module):
    """What is done to images and masks before they are encoded: enlarging to the stride, and the view of the object."""

    def forward(self, images: Tensor, masks: Tensor) -> tuple[Tensor, ...]:
        return to_multiple(images.float(), 16), *enlarge(images, masks)


def run_graph(path: Path, inputs: dict[str, Tensor]) -> list[Tensor]:
    session = onnxruntime.InferenceSession(str(path))
    given = {name: value.numpy() for name, value in inputs.items()}
    return [torch.from_numpy(np.asarray(value)) for value in session.run(None, given)]


def test_a_graph_resizes_and_enlarges_as_the_network_does(tmp_path: Path) -> None:
    path, module = tmp_path / "views.onnx", _Views().eval()

    def given(n: int, h: int, w: int) -> tuple[Tensor, Tensor]:
        masks = torch.zeros(n, h, w, dtype=torch.uint8)
        masks[:, h // 4 : h // 2, w // 3 : w // 2] = 1
        return torch.randint(0, 256, (n, 3, h, w), dtype=torch.uint8), masks

    torch.onnx.export(
        module, given(2, 96, 128), path, dynamo=True, input_names=["images", "masks"], verbose=False,
        dynamic_shapes=({0: "n", 2: "height", 3: "width"}, {0: "n", 1: "height", 2: "width"}), external_data=False,
    )  # fmt: skip
    for size in ((2, 96, 128), (1, 97, 50), (3, 33, 47)):
        images, masks = given(*size)
        found = run_graph(path, {"images": images, "masks": masks})
        # Colours of the view are rounded, so the smallest difference before may be 1 after.
        for one, expected, most in zip(found, module(images, masks), (0.01, 1, 0), strict=True):
            torch.testing.assert_close(one, expected, atol=most, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(160, 96), (203, 130)])
def test_masks_of_the_graphs_equal_those_of_a_segmenter(photo_graphs: Path, size: tuple[int, int]) -> None:
    image, mask = picture(*size)
    segmenter = Segmenter.from_pretrained("photo", device="cpu")
    assert segmenter.network.text is not None
    text = segmenter.network.text.encode(("disc",))
    given = {"images": image[None, None], "masks": mask[None, None], "text": text}
    background, foreground, u, parts, by_name, shots = run_graph(photo_graphs / LEARN, given)
    query = image.flip(2)
    learned = {"background": background, "foreground": foreground, "by_name": by_name, "shots": shots, "text": u}
    given = {"images": query[None], **learned, "parts": parts}
    masks, scores, presence = run_graph(photo_graphs / SEGMENT, given)
    expected = segmenter.segment(query, segmenter.learn("disc", image, mask))
    assert (masks[0].numpy() == expected.mask).mean() >= 0.999
    np.testing.assert_allclose(scores[0].numpy(), expected.scores, atol=2e-3)
    np.testing.assert_allclose(presence[0].numpy(), expected.presence, atol=1e-4)


@pytest.fixture(scope="module")
def photo_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("photo")
    export(load_network("photo"), out)
    return out
