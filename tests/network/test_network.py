"""The whole network against the naive loop, and its properties."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from cdpnet.config import METHODS, NetworkConfig, method
from cdpnet.episode import NO_NAME, EpisodeBatch
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes
from tests.helpers import random_batch, small_network
from tests.network import naive


def naive_logits(network: PrototypeNetwork, batch: EpisodeBatch, *, refine: bool = True) -> Tensor:
    """SSP's answer to every episode, by loops, from the network's own image features."""
    rows = []
    for i in range(len(batch.class_names)):
        supports = network.image.features(batch.support_images[i])
        query = network.image.features(batch.query_images[i : i + 1])[0]
        size = (batch.query_images.shape[-2], batch.query_images.shape[-1])
        rows.append(naive.ssp(supports, batch.support_masks[i], query, size, refine=refine))
    return torch.stack(rows)


@torch.no_grad()
@pytest.mark.parametrize(
    ("k", "b", "ignore", "refinement"),  # every pair of values of any two of them
    [
        (1, 1, True, True),
        (5, 3, False, True),
        (1, 3, False, False),
        (5, 1, True, False),
        (1, 3, True, True),
        (5, 1, False, True),
    ],
)
def test_ssp_equals_the_naive_loop(k: int, b: int, ignore: bool, refinement: bool) -> None:
    config = dataclasses.replace(method("ssp"), refinement=refinement)
    network = small_network(config=config)
    batch = random_batch(b, k, 32, 40, seed=10 * k + b, ignore=ignore)
    expected = naive_logits(network, batch, refine=refinement)
    torch.testing.assert_close(network(batch).logits, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_ssp_equals_the_naive_loop_without_a_confident_location() -> None:
    """A support whose foreground looks like its background gives probabilities of a half everywhere."""
    network = small_network("ssp")
    batch = random_batch(2, 1, ignore=False)
    flat = dataclasses.replace(batch, support_images=torch.full_like(batch.support_images, 0.5))
    prediction = network(flat)
    probability = prediction.matches.initial.softmax(dim=1)
    assert probability[:, 1].max() <= 0.7
    assert probability[:, 0].max() <= 0.6
    torch.testing.assert_close(prediction.logits, naive_logits(network, flat), atol=1e-4, rtol=0)


@torch.no_grad()
def test_panet_is_the_first_match() -> None:
    network, batch = small_network("panet"), random_batch(2, 3)
    prediction = network(batch)
    for i in range(2):
        supports = network.image.features(batch.support_images[i])
        fg = torch.stack([naive.pool(s, m == 1) for s, m in zip(supports, batch.support_masks[i], strict=True)]).mean(0)
        bg = torch.stack([naive.pool(s, m == 0) for s, m in zip(supports, batch.support_masks[i], strict=True)]).mean(0)
        expected = naive.logits(network.image.features(batch.query_images[i : i + 1])[0], bg, fg)
        torch.testing.assert_close(prediction.matches.output[i], expected, atol=1e-4, rtol=0)
    assert prediction.matches.adaptive is None


@torch.no_grad()
def test_cdpn_equals_its_equations() -> None:
    """Fusion and MSP written out for one episode, the match by the naive loop."""
    network, batch = small_network("cdpn"), random_batch(1, 2)
    t = network.text.encode(batch.class_names)[0]  # type: ignore[union-attr]
    u = network.text_projection.linear.weight @ t  # type: ignore[union-attr]
    fusion = network.fusion
    assert fusion is not None
    w1 = torch.cat((fusion.image_in.weight[:, :, 0, 0], fusion.text_in.weight), dim=1)
    w2, b1, b2 = fusion.out.weight[:, :, 0, 0], fusion.image_in.bias, fusion.out.bias
    assert b1 is not None
    assert b2 is not None

    def fuse(features: Tensor) -> Tensor:
        result = features.clone()
        for y in range(features.shape[1]):
            for x in range(features.shape[2]):
                f = features[:, y, x]
                result[:, y, x] = f + w2 @ torch.relu(w1 @ torch.cat((f, u)) + b1) + b2
        return result

    supports = network.image.features(batch.support_images[0])
    masks = batch.support_masks[0]
    v = torch.stack([naive.pool(s, m == 1) for s, m in zip(supports, masks, strict=True)]).mean(0)
    m = torch.stack([naive.pool(fuse(s), m == 1) for s, m in zip(supports, masks, strict=True)]).mean(0)
    bg = torch.stack([naive.pool(fuse(s), m == 0) for s, m in zip(supports, masks, strict=True)]).mean(0)
    assert network.prototypes.background_mix is not None
    assert network.text is not None
    assert network.text_projection is not None
    of_image, of_word = network.prototypes.background_mix.softmax(dim=0)
    bg = of_image * bg + of_word * network.text_projection(network.text.encode(("background",)))[0]
    mix = network.prototypes.mix
    assert mix is not None
    a_v, a_m, a_t = mix.softmax(dim=0)
    query = fuse(network.image.features(batch.query_images)[0])
    expected = naive.afbm(query, bg, a_v * v + a_m * m + a_t * u, (40, 48))
    torch.testing.assert_close(network(batch).logits[0], expected, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", METHODS)
def test_support_order_does_not_matter(name: str) -> None:
    network, batch = small_network(name), random_batch(2, 5)
    order = torch.tensor([3, 1, 4, 0, 2])
    shuffled = EpisodeBatch(
        batch.support_images[:, order], batch.support_masks[:, order], batch.query_images, batch.class_names
    )
    torch.testing.assert_close(network(shuffled).logits, network(batch).logits, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", METHODS)
def test_a_batch_equals_a_loop(name: str) -> None:
    network, batch = small_network(name), random_batch(4, 2)
    for i in range(4):
        one = EpisodeBatch(
            batch.support_images[i : i + 1],
            batch.support_masks[i : i + 1],
            batch.query_images[i : i + 1],
            batch.class_names[i : i + 1],
        )
        torch.testing.assert_close(network(one).logits[0], network(batch).logits[i], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", METHODS)
def test_learning_first_gives_the_same_as_the_episode(name: str) -> None:
    network, batch = small_network(name), random_batch(1, 3)
    prototypes = network.learn(batch.support_images, batch.support_masks, batch.class_names)
    torch.testing.assert_close(network.match(batch.query_images, prototypes).logits, network(batch).logits)


@torch.no_grad()
def test_one_query_meets_several_classes() -> None:
    network, batch = small_network("cdpn"), random_batch(3, 1)
    prototypes = network.learn(batch.support_images, batch.support_masks, batch.class_names)
    together = network.match(batch.query_images[:1], prototypes).logits
    for i in range(3):
        text = prototypes.text[i : i + 1] if prototypes.text is not None else None
        one = Prototypes(prototypes.background[i : i + 1], prototypes.foreground[i : i + 1], text)
        torch.testing.assert_close(network.match(batch.query_images[:1], one).logits[0], together[i], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_name_counts_only_where_a_switch_reads_it() -> None:
    batch = random_batch(2, 1)
    renamed = batch.with_names(("dog", "violin"))
    assert not torch.allclose(small_network("cdpn")(batch).logits, small_network("cdpn")(renamed).logits)
    for name in ("panet", "ssp"):
        assert torch.equal(small_network(name)(batch).logits, small_network(name)(renamed).logits)
        assert small_network(name).text is None


@torch.no_grad()
def test_an_episode_without_a_name_uses_images_alone() -> None:
    network = small_network("cdpn")
    batch = random_batch(2, 1).with_names((NO_NAME, "violin"))
    prediction = network(batch)
    assert prediction.logits.isfinite().all()
    support = network.image.features(batch.support_images[0])
    fused = network.fusion(support, torch.zeros(1, 16))  # type: ignore[misc]
    v = naive.pool(support[0], batch.support_masks[0, 0] == 1)
    m = naive.pool(fused[0], batch.support_masks[0, 0] == 1)
    a = network.prototypes.mix[:2].softmax(dim=0)  # type: ignore[index]
    torch.testing.assert_close(prediction.prototypes.foreground[0], a[0] * v + a[1] * m, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_uint8_and_float_images_agree() -> None:
    network, batch = small_network("ssp"), random_batch(1, 1)
    whole = EpisodeBatch(
        (batch.support_images * 255).round().to(torch.uint8),
        batch.support_masks,
        (batch.query_images * 255).round().to(torch.uint8),
        batch.class_names,
    )
    as_float = EpisodeBatch(
        whole.support_images / 255, whole.support_masks, whole.query_images / 255, whole.class_names
    )
    torch.testing.assert_close(network(whole).logits, network(as_float).logits, atol=1e-4, rtol=0)


def test_untrained_fusion_changes_nothing() -> None:
    """W2 starts at zero, so training starts from the purely visual network."""
    from cdpnet.network.fusion import ImageTextFusion

    features, text = torch.randn(2, 3, 16, 5, 6), torch.randn(2, 16)
    assert torch.equal(ImageTextFusion(16, 8)(features, text), features)
    with torch.no_grad():
        fusion = ImageTextFusion(16, 8)
        assert torch.equal(fusion(features, text), features)
        fusion.out.bias.fill_(1.0)  # type: ignore[union-attr]
        assert torch.equal(fusion(features, text), features + 1)


def test_weights_do_not_depend_on_shots() -> None:
    network = small_network("cdpn")
    assert network(random_batch(1, 1)).logits.shape == network(random_batch(1, 5)).logits.shape


def test_an_unfitting_batch_is_refused_in_words() -> None:
    batch = random_batch(2, 1)
    with pytest.raises(ValueError, match="support_masks"):
        EpisodeBatch(batch.support_images, batch.support_masks[..., 1:], batch.query_images, batch.class_names)
    with pytest.raises(ValueError, match="1 class names"):
        EpisodeBatch(batch.support_images, batch.support_masks, batch.query_images, ("cat",))


def test_switches_of_the_named_methods() -> None:
    switches = {name: dataclasses.asdict(method(name)) for name in METHODS}
    assert not any(switches["panet"][s] for s in METHODS["panet"])
    assert all(switches["cdpn"][s] for s in METHODS["cdpn"])
    assert [s for s in METHODS["ssp"] if not switches["ssp"][s]] == [
        "text_fusion",
        "multimodal_prototype",
        "background_name",
        "naming",
    ]
    assert NetworkConfig() == method("cdpn")
