"""Parts of the network by values worked by hand, by loops and by their properties."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from cdpnet.config import MatchingConfig, method
from cdpnet.network import matching
from cdpnet.network.loss import multi_prototype_loss, naming_loss
from cdpnet.network.matching import BackgroundAttention, confident, match, mean_over
from cdpnet.runtime.products import products
from tests.helpers import random_batch, small_network
from tests.network import naive


def test_match_by_hand() -> None:
    features = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
    background, foreground = torch.tensor([[0.0, 2.0]]), torch.tensor([[-3.0, -4.0]])
    result = match(features, background, foreground, temperature=10)
    torch.testing.assert_close(result.flatten(), torch.tensor([8.0, -10.0]))


def test_prototypes_of_every_location_are_compared_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = small_network("ssp"), random_batch(1, 1)
    with torch.no_grad():
        whole = network(batch).logits
        monkeypatch.setattr(matching, "_CHUNK_LOCATIONS", 7)
        torch.testing.assert_close(network(batch).logits, whole)


def test_confident_by_hand() -> None:
    probability = torch.tensor([[0.9, 0.2, 0.71, 0.7], [0.1, 0.4, 0.3, 0.2]])
    chosen = confident(probability, 0.7, fallback=2)
    assert chosen.tolist() == [[True, False, True, False], [False, True, True, False]]


def test_confident_takes_no_more_locations_than_there_are() -> None:
    assert confident(torch.full((1, 5), 0.5), 0.7, fallback=12).all()


def test_mean_over_by_hand() -> None:
    features = torch.tensor([1.0, 2.0, 6.0, 9.0]).reshape(1, 4, 1)
    assert mean_over(features, torch.tensor([[True, False, True, False]])).item() == 3.5


def attended(features: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The adaptive background of features (B, N, C)."""
    sums, weights = BackgroundAttention(features, F.normalize(features, dim=2), 2.0)(chosen)
    return sums / weights


def test_adaptive_background_by_hand() -> None:
    """Two locations at right angles, both in the background: weights e^2 and e^0."""
    result = attended(torch.eye(2)[None], torch.ones(1, 2, dtype=torch.bool))
    near = math.exp(2) / (math.exp(2) + 1)
    torch.testing.assert_close(result[0, 0], torch.tensor([near, 1 - near]))


@pytest.mark.parametrize("chunk_elements", [1, 200, 2**24])
def test_adaptive_background_equals_attention_in_any_chunk(
    chunk_elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_CHUNK_ELEMENTS", chunk_elements)
    torch.manual_seed(0)
    features, chosen = torch.randn(3, 20, 6), torch.rand(3, 20) < 0.4
    unit = F.normalize(features, dim=2)
    scores = (2.0 * unit @ unit.transpose(1, 2)).masked_fill(~chosen[:, None], -torch.inf)
    expected = scores.softmax(dim=2) @ features
    torch.testing.assert_close(attended(features, chosen), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("chunk_elements", [200, 2**24])
def test_one_set_after_the_other_equals_each_alone(
    share: float, chunk_elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether few locations change, many, or all; with and without gradients."""
    monkeypatch.setattr(matching, "_CHUNK_ELEMENTS", chunk_elements)
    torch.manual_seed(0)
    features = torch.randn(3, 50, 6)
    attention = BackgroundAttention(features, F.normalize(features, dim=2), 2.0)
    chosen = torch.rand(3, 50) < 0.8
    for _ in range(4):
        sums, weights = attention(chosen)
        with torch.no_grad():
            alone = attended(features, chosen)
        torch.testing.assert_close(sums / weights, alone, atol=1e-5, rtol=1e-4)
        chosen = chosen ^ (torch.rand(3, 50) < share)


def test_attention_in_bfloat16_is_near() -> None:
    torch.manual_seed(0)
    features, chosen = torch.randn(2, 300, 64).relu(), torch.rand(2, 300) < 0.6
    sums, weights = BackgroundAttention(features, F.normalize(features, dim=2), 2.0, torch.bfloat16)(chosen)
    assert sums.dtype == weights.dtype == torch.float32
    torch.testing.assert_close(sums / weights, attended(features, chosen), atol=5e-3, rtol=2e-2)


def test_gradients_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    features, chosen = torch.randn(2, 20, 6, requires_grad=True), torch.rand(2, 20) < 0.4
    gradients = []
    for chunk_elements in (2**24, 200):
        monkeypatch.setattr(matching, "_CHUNK_ELEMENTS", chunk_elements)
        result = attended(features, chosen).square().sum()
        gradients.append(torch.autograd.grad(result, features)[0])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-4)


def test_memory_of_the_adaptive_background_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tensor of N x N elements is ever made: the largest stays within the chunk, whatever N."""
    monkeypatch.setattr(matching, "_CHUNK_ELEMENTS", 2**16)
    largest = 0

    def watched(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        result = products(rows, others)
        largest = max(largest, result.numel())
        return result

    monkeypatch.setattr(matching, "products", watched)
    n = 64 * 64
    attended(torch.randn(1, n, 4), torch.rand(1, n) < 0.5)
    assert 0 < largest <= 2**16 < n * n


def test_every_location_is_matched_with_every_name() -> None:
    network, batch = small_network("cdpn"), random_batch(2, 2)
    plain = network(batch)
    assert plain.naming is None
    named = network(dataclasses.replace(batch, vocabulary=("cat", "guitar", "anchor")))
    torch.testing.assert_close(named.logits, plain.logits)
    assert named.naming is not None
    assert named.naming.shape == (2, 3, 4, *named.query_features.shape[-2:])
    assert network.text is not None
    assert network.text_projection is not None
    names = network.text_projection(network.text.encode(("cat", "guitar", "anchor", "background")))
    images = torch.cat((batch.support_images, batch.query_images[:, None]), dim=1)
    for i in range(2):
        for k in range(3):
            grid = network.image.features(images[i, k][None])[0]
            for n in range(4):
                expected = 15 * F.cosine_similarity(grid, names[n][:, None, None], dim=0)
                torch.testing.assert_close(named.naming[i, k, n], expected, atol=1e-3, rtol=1e-3)
    assert small_network("ssp")(dataclasses.replace(batch, vocabulary=("cat",))).naming is None


def test_naming_loss_by_hand() -> None:
    """Of four locations one is ignored; the labels are twice as fine, and nearest takes every other one."""
    p = torch.tensor([[0.7, 0.1, 0.5, 0.9], [0.3, 0.9, 0.5, 0.1]])
    logits = p.log().reshape(1, 1, 2, 2, 2)
    labels = torch.tensor([[0, 9, 1, 9], [9, 9, 9, 9], [1, 9, -1, 9], [9, 9, 9, 9]]).reshape(1, 1, 4, 4)
    expected = -(math.log(0.7) + math.log(0.9) + math.log(0.5)) / 3
    assert naming_loss(logits, labels).item() == pytest.approx(expected, abs=1e-5)
    assert naming_loss(logits, torch.full((1, 1, 4, 4), -1)) == 0


def test_loss_terms_of_each_method() -> None:
    batch = random_batch(2, 2)
    truth = random_batch(2, 1, seed=5).support_masks[:, 0]
    terms = {
        name: set(multi_prototype_loss(network(batch), batch.support_masks, truth, network.config))
        for name in ("panet", "ssp", "cdpn")
        for network in [small_network(name)]
    }
    assert terms["panet"] == {"output"}
    assert terms["ssp"] == {"output", "adaptive", "query_self", "support_self"}
    assert terms["cdpn"] == terms["ssp"] | {"text"}
    network, named = small_network("cdpn"), dataclasses.replace(batch, vocabulary=("cat", "guitar"))
    labels = torch.zeros(2, 3, 40, 48, dtype=torch.int16)
    all_terms = multi_prototype_loss(network(named), batch.support_masks, truth, network.config, labels)
    assert set(all_terms) == terms["cdpn"] | {"naming"}


@torch.no_grad()
def test_loss_equals_the_loop() -> None:
    """Each term from its sentence in the method, by loops over episodes."""
    network, batch = small_network("cdpn"), random_batch(2, 2)
    truth = random_batch(2, 1, seed=5).support_masks[:, 0]
    with torch.enable_grad():
        prediction = network(batch)
    terms = multi_prototype_loss(prediction, batch.support_masks, truth, network.config)
    size = (truth.shape[1], truth.shape[2])

    def ce(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=True)
        return F.cross_entropy(logits, masks.long(), ignore_index=255)

    def self_match(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return naive.logits(features, naive.pool(features, mask == 0), naive.pool(features, mask == 1))

    q, s = prediction.query_features, prediction.support_features
    assert s is not None
    assert prediction.matches.adaptive is not None
    u, bg = prediction.prototypes.text, prediction.prototypes.background
    assert u is not None
    supports = batch.support_masks.flatten(0, 1)
    own_query = torch.stack([self_match(q[i], truth[i]) for i in range(2)])
    own_support = torch.stack([self_match(s[i, k], batch.support_masks[i, k]) for i in range(2) for k in range(2)])
    text_query = torch.stack([naive.logits(q[i], bg[i], u[i]) for i in range(2)])
    text_support = torch.stack([naive.logits(s[i, k], bg[i], u[i]) for i in range(2) for k in range(2)])
    expected = {
        "output": ce(prediction.logits, truth),
        "adaptive": ce(prediction.matches.adaptive, truth),
        "query_self": ce(own_query, truth),
        "support_self": 0.2 * ce(own_support, supports),
        "text": 0.2 * (ce(text_query, truth) + ce(text_support, supports)),
    }
    assert set(terms) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, atol=1e-4, rtol=1e-4)


def test_loss_without_any_name_has_no_text_term_and_a_gradient() -> None:
    network = small_network("cdpn")
    batch = random_batch(2, 1).with_names(("", ""))
    truth = random_batch(2, 1, seed=5).support_masks[:, 0]
    terms = multi_prototype_loss(network(batch), batch.support_masks, truth, network.config)
    assert "text" not in terms
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_a_query_of_ignored_pixels_gives_a_loss_of_zero() -> None:
    network, batch = small_network("panet"), random_batch(1, 1)
    terms = multi_prototype_loss(
        network(batch), batch.support_masks, torch.full((1, 40, 48), 255, dtype=torch.uint8), network.config
    )
    assert terms["output"] == 0


def test_without_refinement_the_first_match_is_the_answer() -> None:
    network = small_network(config=dataclasses.replace(method("ssp"), refinement=False))
    matches = network(random_batch()).matches
    assert matches.refined is None
    assert matches.output is matches.adaptive


def test_matching_numbers_are_those_of_ssp() -> None:
    config = MatchingConfig()
    assert (config.temperature, config.foreground_threshold, config.background_threshold) == (10, 0.7, 0.6)
    assert config.refinement_weights == (0.5, 0.2, 0.3)
    assert sum(config.refinement_weights) == pytest.approx(1)
