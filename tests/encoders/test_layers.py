"""Layers as products: the same parameters and numbers as PyTorch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cdpnet.encoders.layers import PointConvolution, ProductLinear, use_products
from cdpnet.runtime import products


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 1),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 4, 1, bias=False),
        nn.Conv2d(4, 4, 1, stride=2),
        nn.Conv2d(4, 4, 1, padding=1),
        nn.Conv2d(4, 4, 1, groups=2),
        nn.Flatten(2),
        nn.Linear(49, 5),
    )


def test_numbers_and_parameters_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_FEW", 0)
    plain, other = network(), network()
    use_products(other)
    kinds = [type(layer) for layer in other]
    assert [kinds.count(kind) for kind in (PointConvolution, ProductLinear, nn.Conv2d)] == [2, 1, 4]
    assert list(plain.state_dict()) == list(other.state_dict())
    images = torch.randn(2, 3, 10, 10)
    torch.testing.assert_close(other(images), plain(images))


def test_an_exported_graph_is_that_of_plain_layers() -> None:
    plain, other = network().eval(), network().eval()
    use_products(other)
    found = []
    for model in (plain, other):
        graph = torch.export.export(model, (torch.randn(1, 3, 10, 10),)).run_decompositions().graph
        found.append([(str(node.target), node.args[3:]) for node in graph.nodes if node.op == "call_function"])
    assert found[0] == found[1]
    assert sum("convolution" in target for target, _ in found[0]) == 6
