"""Learn from a few marked images, find the class in others."""

from __future__ import annotations

import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.config import QueryPrecision
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.errors import DataError
from cdpnet.evaluation.loop import evaluate
from cdpnet.inference import onnx_export
from cdpnet.inference.preprocessing import resize_to
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.image_tensors import ImageSource, read_image
from cdpnet.network.build import load_network
from cdpnet.network.network import PrototypeNetwork
from tests.helpers import random_batch, small_network


def test_a_threshold_of_ones_own(tiny: Segmenter) -> None:
    batch = IconEpisodes(0, 1, "test").draw(torch.tensor([3])).batch
    learned = tiny.learn(batch.class_names[0], batch.support_images[0, 0], batch.support_masks[0, 0])
    own = tiny.segment(batch.query_images[0], learned, min_presence=0.0)
    assert tiny.threshold == pytest.approx(1 / (1 + np.exp(0.75)))
    for threshold in (0.1, 0.5, 0.9):
        other = tiny.segment(batch.query_images[0], learned, threshold=threshold, min_presence=0.0)
        near = np.abs(own.scores[0] - threshold) < 1e-5
        assert np.array_equal((other.mask == 1) | near, (own.scores[0] > threshold) | near)


@pytest.mark.parametrize("method", ["panet", "ssp", "cdpn"])
def test_the_segmenter_says_what_the_network_says(method: str) -> None:
    network = load_network("tiny", method)
    drawn = IconEpisodes(0, 3, "test").draw(torch.arange(2))
    with torch.inference_mode():
        expected = network(drawn.batch)
    segmenter = Segmenter(network)
    for i, name in enumerate(drawn.batch.class_names):
        learned = segmenter.learn(name, list(drawn.batch.support_images[i]), list(drawn.batch.support_masks[i]))
        found = segmenter.segment(drawn.batch.query_images[i], learned)
        np.testing.assert_allclose(found.scores[0], expected.scores[i].numpy(), atol=1e-4)
        odds = expected.logits[i, 1] - expected.logits[i, 0]
        answer = (odds > network.config.decision.background) & torch.tensor(not found.absent[0])
        assert (found.mask == answer.numpy()).mean() > 0.999
        assert found.classes == (name,)


def test_supports_may_differ_in_size() -> None:
    """The mean over shots of their own prototypes is what a batch of equal sizes gives."""
    network, batch = small_network("cdpn"), random_batch(1, 2)
    segmenter = Segmenter(network, longest_side=1000)
    together = segmenter.learn("cat", list(batch.support_images[0]), list(batch.support_masks[0]))
    with torch.no_grad():
        images = (batch.support_images * 255).round().to(torch.uint8)
        expected = network.learn(images, batch.support_masks, ("cat",))
    torch.testing.assert_close(together.foreground, expected.foreground[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together.background, expected.background[0], atol=1e-4, rtol=1e-4)
    mixed = segmenter.learn(
        "cat", [batch.support_images[0, 0], batch.support_images[0, 1][:, :30]],
        [batch.support_masks[0, 0], batch.support_masks[0, 1][:30]],
    )  # fmt: skip
    assert mixed.foreground.shape == together.foreground.shape


def test_masks_have_the_images_own_size(tiny: Segmenter) -> None:
    drawn = IconEpisodes(0, 1, "test").draw(torch.arange(1))
    learned = tiny.learn("", [drawn.batch.support_images[0, 0]], [drawn.batch.support_masks[0, 0]])
    for height, width in ((90, 301), (500, 333), (16, 16), (1, 1), (3, 900)):
        found = tiny.segment(np.zeros((height, width, 3), dtype=np.uint8), learned)
        assert found.mask.shape == (height, width)
        assert found.scores.shape == (1, height, width)


def test_several_classes_compete(tiny: Segmenter) -> None:
    drawn = IconEpisodes(0, 1, "test").draw(torch.arange(2))
    learned = [
        tiny.learn(f"class {i}", [drawn.batch.support_images[i, 0]], [drawn.batch.support_masks[i, 0]]) for i in (0, 1)
    ]
    image = drawn.batch.query_images[0]
    both, alone = tiny.segment(image, learned), tiny.segment(image, learned[0])
    np.testing.assert_allclose(both.scores[0], alone.scores[0], atol=1e-5)
    everything = tiny.segment(image, learned, min_presence=0)
    winner = both.scores.argmax(axis=0) + 1
    enough = 1 / (1 + np.exp(-tiny.network.config.decision.background))
    assert (everything.mask == np.where(both.scores.max(axis=0) > enough, winner, 0)).mean() > 0.999
    assert not any(everything.absent)
    assert set(both.found) <= {"class 0", "class 1"}
    with pytest.raises(DataError, match="0 classes were given"):
        tiny.segment(image, [])


def test_files_arrays_and_images_give_one_mask(tiny: Segmenter, tmp_path: Path) -> None:
    drawn = IconEpisodes(0, 1, "test").draw(torch.arange(1))
    support, mask = drawn.batch.support_images[0, 0], drawn.batch.support_masks[0, 0]
    image = Image.fromarray(support.permute(1, 2, 0).numpy())
    image.save(tmp_path / "s.png")
    Image.fromarray(mask.numpy() * 255).save(tmp_path / "m.png")
    first = tiny.learn("x", [support], [mask])
    second = tiny.learn("x", [tmp_path / "s.png"], [tmp_path / "m.png"])
    assert torch.equal(first.foreground, second.foreground)
    query = drawn.batch.query_images[0]
    assert np.array_equal(tiny.segment(query, first).mask, tiny.segment(query.permute(1, 2, 0).numpy(), second).mask)


def test_unusable_supports_are_refused_in_words(tiny: Segmenter) -> None:
    image = np.zeros((400, 400, 3), dtype=np.uint8)
    mask = np.zeros((400, 400), dtype=np.uint8)
    with pytest.raises(DataError, match="1 image and 0 masks were given"):
        tiny.learn("x", [image], [])
    mask[5:8, 5:8] = 1
    with pytest.raises(DataError, match="too small or too thin"):
        tiny.learn("x", [image], [mask])
    with pytest.raises(DataError, match="too little background"):
        tiny.learn("x", image, 1 - mask)
    line = np.zeros((128, 128), dtype=np.uint8)
    line[63] = 1  # between two rows of the feature grid
    with pytest.raises(DataError, match="too small or too thin"):
        tiny.learn("x", image[:128, :128], line)
    with pytest.raises(DataError, match="a mask has the size of its image"):
        tiny.learn("x", [image], [mask[:200]])


def test_arguments_that_cannot_be_meant_are_refused_in_words(tiny: Segmenter) -> None:
    drawn = IconEpisodes(0, 1, "test").draw(torch.arange(1)).batch
    image = drawn.query_images[0]
    learned = tiny.learn("x", drawn.support_images[0, 0], drawn.support_masks[0, 0])
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(DataError, match="threshold is a share from 0 to 1, not"):
            tiny.segment(image, learned, threshold=share)
        with pytest.raises(DataError, match="min_presence is a share from 0 to 1, not"):
            tiny.segment(image, learned, min_presence=share)
    with pytest.raises(DataError, match="a PIL image, an array or a tensor, not NoneType"):
        tiny.segment(None, learned)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a PIL image, an array or a tensor, not list"):
        tiny.segment([image], learned)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("marked", "reason"),
    [((slice(5, 8), slice(5, 8)), "too small or too thin"), ((slice(None), slice(None)), "covers the whole image")],
)
def test_of_several_examples_unusable_ones_are_left_out(
    marked: tuple[slice, slice], reason: str, tiny: Segmenter
) -> None:
    drawn = IconEpisodes(0, 1, "test").draw(torch.arange(1))
    image, mask = drawn.batch.support_images[0, 0], drawn.batch.support_masks[0, 0]
    unusable = torch.zeros_like(mask)
    unusable[marked] = 1
    with pytest.warns(UserWarning, match=f"An example is left out: .*{reason}"):
        learned = tiny.learn("x", [image, image], [unusable, mask])
    assert learned.shots == 1
    assert torch.equal(learned.foreground, tiny.learn("x", image, mask).foreground)


def test_resizing_keeps_small_images_and_proportions() -> None:
    assert resize_to(read_image(np.zeros((50, 100, 3), dtype=np.uint8)), 200).shape == (3, 50, 100)
    assert resize_to(read_image(np.zeros((300, 900, 3), dtype=np.uint8)), 300).shape == (3, 100, 300)


def test_a_batch_equals_the_loop(tiny: Segmenter) -> None:
    """Images of several sizes, one of them in tiles, more of one size than an encoder pass takes; in their order."""
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(12)).batch
    segmenter = Segmenter(tiny.network, longest_side=96, tiles_above=200)
    classes = [
        segmenter.learn(batch.class_names[i], batch.support_images[i, 0], batch.support_masks[i, 0]) for i in (1, 8)
    ]
    images = [*batch.query_images[:10], batch.query_images[10, :, :60], batch.query_images[11].repeat(1, 1, 3)]
    images.insert(3, batch.query_images[8, :, :60])
    for options in ({}, {"threshold": 0.4, "min_presence": 0.1}):
        found = segmenter.segment_batch(images, classes, **options)
        assert [one.size for one in found] == [tuple(image.shape[1:]) for image in images]
        for one, image in zip(found, images, strict=True):
            alone = segmenter.segment(image, classes, **options)
            np.testing.assert_allclose(one.scores, alone.scores, atol=1e-5)
            assert one.presence == pytest.approx(alone.presence, abs=1e-5)
            assert (one.classes, one.absent, one.background) == (alone.classes, alone.absent, alone.background)
            undecided = np.abs(alone.scores - 1 / (1 + np.exp(-alone.background))).min(axis=0) < 1e-4
            assert ((one.mask == alone.mask) | undecided).all()
    assert any(one.found for one in found)
    assert segmenter.segment_batch([], classes) == []
    with pytest.raises(DataError, match="0 classes were given"):
        segmenter.segment_batch(images, [])


def test_images_of_one_size_share_encoder_passes(tiny: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(11)).batch
    learned = tiny.learn("", batch.support_images[0, 0], batch.support_masks[0, 0])
    passes: list[int] = []
    features = tiny.network.image.features

    def counted(images: torch.Tensor) -> torch.Tensor:
        passes.append(len(images))
        return features(images)

    monkeypatch.setattr(tiny.network.image, "features", counted)
    tiny.segment_batch([*batch.query_images, batch.query_images[0, :, :64]], learned)
    assert passes == [8, 3, 1]


def test_every_kind_of_image_gives_one_mask(tiny: Segmenter, tmp_path: Path) -> None:
    batch = IconEpisodes(0, 1, "test").draw(torch.tensor([8])).batch
    learned = tiny.learn("caravan", batch.support_images[0, 0], batch.support_masks[0, 0])
    tensor = batch.query_images[0]
    array = tensor.permute(1, 2, 0).numpy()
    path = tmp_path / "query.png"
    Image.fromarray(array).save(path)
    kinds: list[ImageSource] = [
        tensor,
        tensor.float() / 255,
        array,
        array / 255,
        Image.fromarray(array),
        path,
        str(path),
    ]
    masks = [found.mask for found in tiny.segment_batch(kinds, learned)]
    assert masks[0].any()
    assert all(np.array_equal(mask, masks[0]) for mask in masks)


@pytest.mark.parametrize("training", [False, True])
def test_use_does_not_change_the_network(training: bool) -> None:
    """Learning, adapting, segmenting, evaluating and exporting leave weights, gradients, modes and attributes alone."""
    network, batch = small_network("cdpn").train(training), random_batch(1, 2)
    before = snapshot(network)
    supports = (list(batch.support_images[0]), list(batch.support_masks[0]))
    for precision in get_args(QueryPrecision):
        segmenter = Segmenter(network, longest_side=40, tiles_above=44, precision=precision)
        learned = [segmenter.learn("cat", *supports), segmenter.learn("dog", *supports, steps=2)]
        _ = segmenter.segment(batch.query_images[0], learned, threshold=0.3).mask
        _ = segmenter.model
    evaluate(network, IconEpisodes(0, 1, "test"), 2)
    assert snapshot(network) == before


def test_export_does_not_change_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network("cdpn").train()
    before = snapshot(network)
    exported: list[PrototypeNetwork] = []

    def write(graph: object, path: Path, copied: PrototypeNetwork) -> None:  # noqa: ARG001
        exported.append(copied)
        path.touch()

    monkeypatch.setattr(onnx_export, "_write", write)
    onnx_export.export(network, tmp_path)
    assert snapshot(network) == before
    assert len(exported) == 2
    assert not any(copied is network or copied.training for copied in exported)


def snapshot(network: PrototypeNetwork) -> dict[str, object]:
    """The whole state of a network: weights, gradients, modes of all modules and their own attributes."""
    state: dict[str, object] = {key: value.numpy().tobytes() for key, value in network.state_dict().items()}
    state |= {f"{key} as it is": (id(p), p.requires_grad, p.grad, p.device) for key, p in network.named_parameters()}
    for name, module in network.named_modules():
        state[f"{name}()"] = {key: repr(value) for key, value in vars(module).items() if not key.startswith("_")}
    return state


def test_threads_share_a_segmenter(tiny: Segmenter) -> None:
    """Two threads that learn and segment at once get what one gets; the text encoder begins without any name."""
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(6)).batch

    def work(segmenter: Segmenter, i: int) -> np.ndarray:
        learned = segmenter.learn(batch.class_names[i], batch.support_images[i, 0], batch.support_masks[i, 0])
        return segmenter.segment(batch.query_images[i], learned).scores

    alone = [work(tiny, i) for i in range(6)]
    shared = Segmenter(load_network("tiny"))
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(partial(work, shared), [*range(6), *range(6)]))
    for i, scores in enumerate(together):
        np.testing.assert_array_equal(scores, alone[i % 6])


def test_the_example_that_labels_a_folder_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).parents[2] / "examples" / "label_folder.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    assert all((tmp_path / file).is_file() for file in ("labels.png", "labels/index.html"))
