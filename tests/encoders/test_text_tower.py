"""Our own text tower: packing, padding, any string, and what the shipped weights know."""

from __future__ import annotations

from importlib import resources

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cdpnet.encoders.catalogue import TEXT_FILE
from cdpnet.encoders.prompts import templates
from cdpnet.encoders.text import TextEncoder
from cdpnet.encoders.text_tower import (
    CONTEXT_LENGTH,
    TextTower,
    load_tower,
    pack,
    text_tokenizer,
    unpack,
)

MOST_BYTES = 15 * 2**20


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(load_tower(), text_tokenizer(), templates("name"), CONTEXT_LENGTH)


def test_packed_weights_differ_by_half_a_level_at_most() -> None:
    torch.manual_seed(0)
    state = TextTower().state_dict()
    packed = pack(state)
    again = unpack(packed)
    assert again.keys() == state.keys()
    table = "token_embedding.weight"
    level = state[table].abs().amax(dim=1, keepdim=True) / 127
    assert ((again[table] - state[table]).abs() <= 0.51 * level + 1e-3 * state[table].abs()).all()
    assert all(torch.allclose(again[k], state[k], atol=1e-3, rtol=1e-3) for k in state if k != table)
    assert sum(value.numel() * value.element_size() for value in packed.values()) < MOST_BYTES


def test_the_shipped_file_is_small() -> None:
    assert len(resources.files("cdpnet.weights").joinpath(TEXT_FILE).read_bytes()) < MOST_BYTES


def test_padding_changes_nothing() -> None:
    tower, tokens = load_tower(), text_tokenizer()(["cat", "a very small black cat"])
    with torch.no_grad():
        together = tower.encode_text(tokens)
        alone = torch.cat([tower.encode_text(row[None]) for row in tokens])
    assert torch.allclose(together, alone, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_any_string_gives_a_unit_vector_or_zeros(encoder: TextEncoder, name: str) -> None:
    (vector,) = encoder.encode((name,))
    assert vector.shape == (384,)
    assert torch.isclose(vector.norm(), torch.tensor(1.0 if name else 0.0), atol=1e-4)


def test_related_names_lie_closer_than_others(encoder: TextEncoder) -> None:
    """Of each row the second name is nearer to the first than the third is."""
    rows = [("cat", "kitten", "truck"), ("car", "automobile", "banana"), ("weld crack", "crack", "dog")]
    for first, near, far in rows:
        vectors = F.normalize(encoder.encode((first, near, far)), dim=1)
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1
