"""Fewer keys of the adaptive background: equal to exact below the limit, close above, and to a loop."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.config import LEAST_KEYS, MatchingConfig, method
from cdpnet.errors import ConfigError
from cdpnet.inference.class_files import load_classes
from cdpnet.inference.onnx_export import export
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.network.checkpoint import fingerprint
from cdpnet.network.keys import block_size, pool_keys
from cdpnet.network.matching import BackgroundAttention
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.record import from_dict, to_dict
from tests.helpers import random_batch, small_network

BEFORE = Path(__file__).parents[1] / "stored" / "class-before-keys.safetensors"
FINGERPRINTS = {"panet": "a7ce30fdd495dd5a", "ssp": "134fd3a75bbe10fb", "cdpn": "a3461bff4d5401ee"}


def with_keys(network: PrototypeNetwork, keys: int | None) -> PrototypeNetwork:
    changed = dataclasses.replace(network.config.matching, keys=keys)
    network.config = dataclasses.replace(network.config, matching=changed)
    return network


def by_loop(features: Tensor, chosen: Tensor, size: tuple[int, int], block: tuple[int, int]) -> Tensor:
    """The adaptive background (N, C) of features (N, C) from the means of blocks, location by location."""
    members: dict[tuple[int, int], list[int]] = {}
    for j in range(size[0] * size[1]):
        if chosen[j]:
            members.setdefault((j // size[1] // block[0], j % size[1] // block[1]), []).append(j)
    result = torch.zeros_like(features)
    for i, query in enumerate(features):
        total = 0.0
        for locations in members.values():
            unit = torch.stack([features[j] / features[j].norm() for j in locations]).mean(dim=0)
            weight = len(locations) * math.exp(2 * float(query / query.norm() @ unit))
            result[i] += weight * torch.stack([features[j] for j in locations]).mean(dim=0)
            total += weight
        result[i] /= total
    return result


@pytest.mark.parametrize(
    ("size", "most", "block"),
    [((4, 4), 16, (1, 1)), ((4, 4), 15, (2, 1)), ((4, 6), 12, (1, 2)), ((5, 5), 9, (2, 2)), ((64, 64), 1024, (2, 2))],
)
def test_blocks_are_the_smallest_that_are_few_enough(size: tuple[int, int], most: int, block: tuple[int, int]) -> None:
    assert block_size(size, most) == block


@pytest.mark.parametrize("size", [(5, 7), (8, 3), (6, 6)])
def test_pooled_attention_equals_the_loop(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    n = size[0] * size[1]
    features, chosen = torch.randn(2, n, 6), torch.rand(2, n) < 0.5
    attention = BackgroundAttention(features, F.normalize(features, dim=2), 2.0, pooled=(size, 9))
    for _ in range(2):  # one set after the other
        sums, weights = attention(chosen)
        for i in range(2):
            expected = by_loop(features[i], chosen[i], size, block_size(size, 9))
            torch.testing.assert_close((sums / weights)[i], expected, atol=1e-5, rtol=1e-4)
        chosen = ~chosen


def test_counts_are_of_the_chosen_and_keys_no_more_than_asked_for() -> None:
    torch.manual_seed(0)
    features, chosen = torch.randn(3, 35, 6), torch.rand(3, 35) < 0.3
    pooled = pool_keys(features, F.normalize(features, dim=2), chosen, (5, 7), 9)
    assert pooled.keys.shape[1] <= 9
    assert torch.equal(pooled.counts.sum(dim=(1, 2)), chosen.sum(dim=1).float())
    assert (pooled.keys[(pooled.counts == 0)[:, :, 0]] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_blocks_are_counted_and_averaged_exactly(dtype: torch.dtype) -> None:
    """In bfloat16, whose whole numbers end at 256."""
    features, chosen = torch.rand(2, 63 * 47, 3).to(dtype), torch.rand(2, 63 * 47) < 0.7
    pooled = pool_keys(features, features, chosen, (63, 47), 1)
    assert torch.equal(pooled.counts[:, 0, 0], chosen.sum(dim=1).float())
    means = torch.stack([one[where].float().mean(dim=0) for one, where in zip(features, chosen, strict=True)])
    torch.testing.assert_close(pooled.keys[:, 0].float(), means, atol=1e-5, rtol=0)


def test_alike_neighbours_give_the_exact_background() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 6, 4, 4).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    flat, chosen = features.flatten(2).transpose(1, 2), torch.ones(1, 64, dtype=torch.bool)
    unit = F.normalize(flat, dim=2)
    exact = BackgroundAttention(flat, unit, 2.0)(chosen)
    fewer = BackgroundAttention(flat, unit, 2.0, pooled=((8, 8), 16))(chosen)
    for one, other in zip(exact, fewer, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_up_to_the_limit_nothing_changes() -> None:
    network, batch = small_network("cdpn"), random_batch()
    exact = network(batch)
    locations = exact.query_features.shape[-2] * exact.query_features.shape[-1]
    assert torch.equal(with_keys(network, locations)(batch).logits, exact.logits)
    assert not torch.equal(with_keys(network, locations - 1)(batch).logits, exact.logits)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_fewer_keys_are_close_and_have_a_gradient(dtype: torch.dtype | None) -> None:
    network, batch = load_network("tiny", "ssp"), random_batch(h=96, w=128)
    exact = network(batch, dtype).logits
    fewer = with_keys(network, LEAST_KEYS)(batch, dtype).logits
    assert (exact - fewer).abs().mean() < 0.2
    fewer.mean().backward()


def test_no_tensor_of_all_pairs_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    largest, original = 0, torch.baddbmm

    def watched(*inputs: Any, **options: Any) -> Tensor:
        nonlocal largest
        result: Tensor = original(*inputs, **options)
        largest = max(largest, result.numel())
        return result

    monkeypatch.setattr(torch, "baddbmm", watched)
    n = 40 * 40
    features = torch.randn(1, n, 4)
    BackgroundAttention(features, F.normalize(features, dim=2), 2.0, pooled=((40, 40), 64))(torch.ones(1, n).bool())
    assert largest <= 64 * n


@pytest.mark.parametrize("keys", [0, -1, LEAST_KEYS - 1])
def test_too_few_keys_are_refused(keys: int) -> None:
    with pytest.raises(ConfigError, match=f"keys must be at least {LEAST_KEYS}"):
        MatchingConfig(keys=keys)


def test_graphs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="The graphs hold the exact match"):
        export(with_keys(small_network("ssp"), 64), tmp_path)
    assert not list(tmp_path.iterdir())


def test_files_of_before_fit() -> None:
    """Class files and fingerprints of the version before the setting; a class fits whatever keys are used."""
    for name, expected in FINGERPRINTS.items():
        network = load_network("tiny", name)
        assert fingerprint(network) == expected
        assert fingerprint(with_keys(network, 64)) == expected
    assert load_classes([BEFORE], *Segmenter(load_network("tiny")).model)[0].name == "snowflake"


def test_configurations_leave_exact_keys_out() -> None:
    exact = method("ssp")
    values = to_dict(exact)
    assert "keys" not in values["matching"]  # type: ignore[operator]
    assert from_dict(values) == exact
    fewer = dataclasses.replace(exact, matching=MatchingConfig(keys=64))
    assert from_dict(to_dict(fewer)) == fewer
