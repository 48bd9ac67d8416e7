"""Classes that grow and shrink by one example: what learning from the same examples at once gives, bit for bit."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.errors import DataError
from cdpnet.inference.class_batch import build_class_batch
from cdpnet.inference.class_examples import ClassExample, pool_examples
from cdpnet.inference.class_files import ClassPrototype, load_class, save_class
from cdpnet.inference.segmenter import Segmenter
from tests.helpers import small_network

Example = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def abc() -> list[Example]:
    """Three examples of one class."""
    batch = IconEpisodes(0, 3, "test").draw(torch.arange(1)).batch
    return list(zip(batch.support_images[0], batch.support_masks[0], strict=True))


def learn(segmenter: Segmenter, examples: list[Example], *, read_name: bool = True) -> ClassPrototype:
    images, masks = [image for image, _ in examples], [mask for _, mask in examples]
    return segmenter.learn("guitar", images, masks, read_name=read_name)


def content(learned: ClassPrototype, folder: Path) -> bytes:
    save_class(learned, folder / "c.safetensors")
    return (folder / "c.safetensors").read_bytes()


@pytest.mark.parametrize("read_name", [True, False])
@pytest.mark.parametrize("parts", [False, True])
def test_examples_come_and_go_bit_for_bit(parts: bool, read_name: bool, abc: list[Example], tmp_path: Path) -> None:
    network = small_network("cdpn")
    network.config = dataclasses.replace(network.config, part_prototypes=parts)
    segmenter = Segmenter(network)
    a, b, c = abc
    one, two, three, only, pair = (
        learn(segmenter, examples, read_name=read_name) for examples in ([a], [a, b], abc, [c], [a, c])
    )
    assert content(segmenter.add_example(segmenter.add_example(one, *b), *c), tmp_path) == content(three, tmp_path)
    again = load_class(tmp_path / "c.safetensors")
    assert content(again, tmp_path) == content(three, tmp_path)
    assert content(segmenter.remove_example(again, 2), tmp_path) == content(two, tmp_path)
    assert content(segmenter.remove_example(again, 1), tmp_path) == content(pair, tmp_path)
    last = segmenter.remove_example(segmenter.remove_example(again, 0), 0)
    assert (last.thumbnail == last.thumbnail[0, 0]).all()  # a class has no picture but that of its first example
    assert content(dataclasses.replace(last, thumbnail=only.thumbnail), tmp_path) == content(only, tmp_path)


def test_a_correction_takes_the_place_of_the_same_image(tiny: Segmenter, abc: list[Example], tmp_path: Path) -> None:
    a, b, c = abc
    image, mask = b
    wrong = mask.clone()
    wrong[: wrong.shape[0] // 2] = 0
    learned = learn(tiny, [a, (image, wrong), c])
    array = image.permute(1, 2, 0).numpy()  # the same image from another source
    assert content(tiny.correct(learned, array, mask), tmp_path) == content(learn(tiny, abc), tmp_path)
    assert content(tiny.correct(learn(tiny, [a, b]), *c), tmp_path) == content(learn(tiny, abc), tmp_path)
    first = tiny.correct(learn(tiny, [(a[0], wrong), b]), *a)
    assert content(first, tmp_path) == content(learn(tiny, [a, b]), tmp_path)
    twice = learn(tiny, [a, (image, wrong), c, (image, wrong)])
    assert content(tiny.correct(twice, *b), tmp_path) == content(learn(tiny, abc), tmp_path)


def test_a_name_gets_its_first_example_and_loses_it(tiny: Segmenter, abc: list[Example], tmp_path: Path) -> None:
    named = tiny.learn_name("guitar")
    learned = tiny.add_example(named, *abc[0])
    assert content(learned, tmp_path) == content(learn(tiny, abc[:1]), tmp_path)
    assert content(tiny.remove_example(learned, 0), tmp_path) == content(named, tmp_path)
    unread = learn(tiny, abc[:1], read_name=False)
    with pytest.raises(DataError, match="the only example of the class 'guitar', whose name is not read"):
        tiny.remove_example(unread, 0)
    for index in (-1, 1):
        with pytest.raises(DataError, match=f"has no example {index}; it has 1, counted from 0"):
            tiny.remove_example(learned, index)
    with pytest.raises(DataError, match=r"'guitar' was learned by another model \(tiny cdpn"):
        Segmenter(small_network("cdpn")).add_example(learned, *abc[1])


def test_a_class_of_version_0_2_is_extended_as_one_block(tiny: Segmenter, abc: list[Example], tmp_path: Path) -> None:
    old = dataclasses.replace(learn(tiny, abc[:2]), examples=())
    query = abc[2][0]
    assert (tiny.segment(query, old).mask == tiny.segment(query, learn(tiny, abc[:2])).mask).all()
    grown = tiny.add_example(old, *abc[2])
    assert [example.shots for example in grown.examples] == [2, 1]
    assert (grown.shots, grown.by_name) == (3, old.by_name)
    whole = learn(tiny, abc)
    torch.testing.assert_close(grown.foreground, whole.foreground, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(grown.background, whole.background, atol=1e-6, rtol=1e-5)
    save_class(grown, tmp_path / "c.safetensors")
    again = load_class(tmp_path / "c.safetensors")
    assert again.examples[0].similarity is None
    only = learn(tiny, abc[2:])
    assert torch.equal(tiny.remove_example(again, 0).foreground, only.foreground)


def test_an_adapted_class_keeps_its_adaptation(tiny: Segmenter, abc: list[Example]) -> None:
    state = {key: value.half().float() * 1.5 for key, value in tiny.network.fusion.state_dict().items()}  # type: ignore[union-attr]
    adapted = dataclasses.replace(learn(tiny, abc[:2]), fusion=state)
    grown = tiny.add_example(adapted, *abc[2])
    assert grown.fusion is state
    assert not torch.equal(grown.examples[2].background, learn(tiny, abc).examples[2].background)


def test_examples_are_weighted_by_their_shots() -> None:
    def example(value: float, shots: int) -> ClassExample:
        parts = torch.full((2, shots, 2), value)
        return ClassExample(torch.tensor([value, 0.0]), torch.tensor([1.0, value]), parts, None, shots)

    pooled = pool_examples([example(1.0, 3), example(5.0, 1)])
    assert pooled.background.tolist() == [2.0, 0.0]
    assert pooled.foreground.tolist() == [1.0, 2.0]
    assert pooled.parts is not None
    assert pooled.parts[0, :, 0].tolist() == [1.0, 1.0, 1.0, 5.0]


def test_a_class_file_holds_no_image(tiny: Segmenter, abc: list[Example], tmp_path: Path) -> None:
    """A feature map would be a tensor that grows with the image."""
    image, mask = abc[0]
    small, large = learn(tiny, [(image, mask)]), learn(tiny, [(image.repeat(1, 2, 2), mask.repeat(2, 2))])
    small, large = (dataclasses.replace(one, thumbnail=np.zeros((1, 1, 3), dtype=np.uint8)) for one in (small, large))
    assert len(content(large, tmp_path)) <= len(content(small, tmp_path)) + 64  # digits of a similarity


def test_images_without_the_class_set_its_presence_threshold(
    tiny: Segmenter, abc: list[Example], tmp_path: Path
) -> None:
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(2, 9)).batch
    others = list(batch.query_images)
    learned = learn(tiny, abc[:1])
    presence = [found.presence[0] for found in tiny.segment_batch(others, learned)]
    assert any(found.found for found in tiny.segment_batch(others, learned))  # so the check below can fail
    images, masks = [abc[0][0]], [abc[0][1]]
    taught = tiny.learn("guitar", images, masks, without=others)
    assert not any(found.found for found in tiny.segment_batch(others, taught))
    assert taught.min_presence == pytest.approx(max(presence))
    assert tiny.segment(abc[0][0], taught).found == ("guitar",)
    assert any(found.found for found in tiny.segment_batch(others, taught, min_presence=0))
    content(taught, tmp_path)
    again = load_class(tmp_path / "c.safetensors")
    assert again.min_presence == taught.min_presence
    assert tiny.add_example(again, *abc[1]).min_presence == taught.min_presence
    lower = tiny.learn_absence(learned, [np.zeros((64, 64, 3), dtype=np.uint8)])
    assert tiny.segment(abc[0][0], lower).absent == tiny.segment(abc[0][0], learned).absent
    with pytest.raises(DataError, match="No image without the class"):
        tiny.learn_absence(learned, [])


def test_images_without_the_class_never_lower_its_presence_threshold(
    tiny: Segmenter, abc: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the network's own threshold rises with the examples that are added afterwards."""
    network, config = tiny.network, tiny.network.config
    rising = dataclasses.replace(config, decision=dataclasses.replace(config.decision, threshold_rise=1.0))
    monkeypatch.setattr(network, "config", rising)
    of_one = tiny.learn_absence(learn(tiny, abc[:1]), [np.zeros((64, 64, 3), dtype=np.uint8)])
    of_three = tiny.add_example(tiny.add_example(of_one, *abc[1]), *abc[2])
    own = build_class_batch(network, [learn(tiny, abc)], None).presence_thresholds.item()
    assert of_three.min_presence is not None and of_three.min_presence < own
    assert build_class_batch(network, [of_three], None).presence_thresholds.item() == own
    higher = dataclasses.replace(of_three, min_presence=(1 + own) / 2)
    assert build_class_batch(network, [higher], None).presence_thresholds.item() == pytest.approx((1 + own) / 2)


def test_a_class_can_be_copied(abc: list[Example]) -> None:
    """No tensor of it has a gradient, which could not be copied or pickled, also where the text tower has one."""
    segmenter = Segmenter(small_network(), longest_side=192)
    learned = learn(segmenter, abc[:1])
    for one in (learned, segmenter.remove_example(learned, 0)):
        copied = copy.deepcopy(one).text
        assert copied is not None and one.text is not None
        assert torch.equal(copied, one.text)
