"""Products by convolutions: values by hand, and equal to PyTorch's own products for every shape."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cdpnet.runtime import products as module
from cdpnet.runtime.products import lay_out, linear, products


@pytest.fixture(autouse=True)
def every_product_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW", 0)


def test_products_by_hand() -> None:
    rows, others = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]]), torch.tensor([[[1.0, 0.0], [1.0, -1.0]]])
    assert products(rows, others).tolist() == [[[1.0, -1.0], [3.0, -1.0], [0.0, -1.0]]]


def test_linear_by_hand() -> None:
    x, weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 1.0]])
    assert linear(x, weight, torch.tensor([10.0])).tolist() == [[13.0], [17.0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 9))
def test_any_shape_and_layout(batch: int, n: int, m: int, channels: int, turned: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows, others = (torch.randn(batch, k, channels, generator=generator) for k in (n, m))
    if turned:  # laid out by columns
        rows, others = (x.transpose(1, 2).contiguous().transpose(1, 2) for x in (rows, others))
    torch.testing.assert_close(products(rows, others), rows @ others.transpose(1, 2))
    bias = torch.randn(m, generator=generator)
    torch.testing.assert_close(linear(rows, others[0], bias), F.linear(rows, others[0], bias))


@pytest.mark.parametrize(("kind", "by_rows"), [(torch.float32, True), (torch.bfloat16, False)])
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_laid_out_has_the_same_products(kind: torch.dtype, by_rows: bool, turned: bool) -> None:
    """Rows for convolutions, columns for PyTorch's own products; nothing is copied that lies so."""
    rows, others = torch.randn(2, 5, 8).to(kind), torch.randn(2, 4, 8).to(kind)
    if turned:
        others = others.transpose(1, 2).contiguous().transpose(1, 2)
    laid = lay_out(others)
    assert torch.equal(laid, others)
    assert (laid if by_rows else laid.transpose(1, 2)).is_contiguous()
    assert lay_out(laid).data_ptr() == laid.data_ptr()
    torch.testing.assert_close(products(rows, laid), products(rows, others))


def test_gradients_are_those_of_a_product() -> None:
    rows, others = torch.randn(2, 5, 7, requires_grad=True), torch.randn(2, 4, 7, requires_grad=True)
    found = torch.autograd.grad(products(rows, others).sin().sum(), (rows, others))
    expected = torch.autograd.grad((rows @ others.transpose(1, 2)).sin().sum(), (rows, others))
    torch.testing.assert_close(found, expected)


def test_what_no_convolution_is_used_for() -> None:
    """Other number formats, and graphs that are exported, which keep the product."""
    rows = torch.randn(1, 6, 8, dtype=torch.float64)
    assert torch.equal(products(rows, rows), rows @ rows.transpose(1, 2))

    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return linear(x, x)

    graph = torch.export.export(Model(), (torch.randn(3, 4),)).graph_module.code
    assert "linear" in graph
    assert "conv" not in graph
