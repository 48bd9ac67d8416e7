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


class _Enlarge(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return to_multiple(images, 16)


def run_graph(path: Path, inputs: dict[str, Tensor]) -> list[Tensor]:
    session = onnxruntime.InferenceSession(str(path))
    given = {name: value.numpy() for name, value in inputs.items()}
    return [torch.from_numpy(np.asarray(value)) for value in session.run(None, given)]


def test_a_graph_enlarges_images_as_the_encoder_does(tmp_path: Path) -> None:
    path = tmp_path / "enlarge.onnx"
    torch.onnx.export(
        _Enlarge().eval(), (torch.rand(2, 3, 96, 128),), path, dynamo=True, input_names=["images"], verbose=False,
        dynamic_shapes=({0: "images", 2: "height", 3: "width"},), external_data=False,
    )  # fmt: skip
    for size in ((96, 128), (97, 50), (33, 47)):
        images = torch.rand(1, 3, *size)
        (found,) = run_graph(path, {"images": images})
        torch.testing.assert_close(found, to_multiple(images, 16), atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(160, 96), (203, 130)])
def test_masks_of_the_graphs_equal_those_of_a_segmenter(photo_graphs: Path, size: tuple[int, int]) -> None:
    image, mask = picture(*size)
    segmenter = Segmenter.from_pretrained("photo", device="cpu")
    assert segmenter.network.text is not None
    text = segmenter.network.text.encode(("disc",))
    given = {"images": image[None, None], "masks": mask[None, None], "text": text}
    background, foreground, u, parts, by_name = run_graph(photo_graphs / LEARN, given)
    query = image.flip(2)
    learned = {"background": background, "foreground": foreground, "by_name": by_name, "text": u, "parts": parts}
    given = {"images": query[None], **learned}
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
