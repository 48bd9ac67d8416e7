"""Learn from a few marked images, find the class in others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.errors import DataError
from cdpnet.inference.preprocessing import resized
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.images import read_image
from cdpnet.network.build import load_network
from tests.helpers import random_batch, small_network


@pytest.fixture(scope="module")
def tiny() -> Segmenter:
    return Segmenter(load_network("tiny"))


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
    with pytest.raises(DataError, match="1 images and 0 masks"):
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


def test_resized_keeps_small_images_and_proportions() -> None:
    assert resized(read_image(np.zeros((50, 100, 3), dtype=np.uint8)), 200).shape == (3, 50, 100)
    assert resized(read_image(np.zeros((300, 900, 3), dtype=np.uint8)), 300).shape == (3, 100, 300)


@pytest.mark.parametrize(
    ("name", "files"),
    [("segment_icons", {"mask.png", "overlay.png"}), ("label_folder", {"labels.png", "labels/index.html"})],
)
def test_the_example_scripts_run(name: str, files: set[str], tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / f"{name}.py"
    shown = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert all((tmp_path / file).is_file() for file in files)
