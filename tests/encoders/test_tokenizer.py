"""Our tokenizer beside open_clip's: the same tokens for any text."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from cdpnet.encoders import tokenizer
from cdpnet.encoders.tokenizer import BytePairTokenizer
from cdpnet.errors import WeightsError

TEXTS = (
    "cat",
    "Weld crack",
    "a photo of an owl.",
    "the bird's wings, they're 1234 mm",
    "  white\t\n space  ",
    "Schweißnaht",
    "裂缝",
    "Ünïcödé ½ Ⅳ ²",
    "🦊🦊",
    "donâ€™t",  # broken encoding, which is repaired
    "R&amp;amp;D &lt;b&gt;",
    "a <start_of_text> b <END_OF_TEXT> c",
    "x" * 300,
    "a b " * 200,
    "under_score {} \\ '\"",
    "\x00\x1b[31m\u200b\ufeff",
    "",
)


@pytest.fixture(scope="module")
def theirs() -> SimpleTokenizer:
    return SimpleTokenizer(context_length=32)


@pytest.fixture(scope="module")
def ours() -> BytePairTokenizer:
    return BytePairTokenizer(32)


def test_symbols_are_open_clips(ours: BytePairTokenizer, theirs: SimpleTokenizer) -> None:
    assert ours.symbols == list(theirs.encoder)
    assert list(theirs.encoder.values()) == list(range(len(ours.symbols)))


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_open_clips(ours: BytePairTokenizer, theirs: SimpleTokenizer, text: str) -> None:
    for _ in range(2):  # the second time, words are known
        assert ours.encode(text) == theirs.encode(text)
        assert torch.equal(ours([text, "cat"]), theirs([text, "cat"]))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_tokens_of_any_text_are_open_clips(ours: BytePairTokenizer, theirs: SimpleTokenizer, text: str) -> None:
    assert ours.encode(text) == theirs.encode(text)


def test_a_missing_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "find_spec", lambda _: None)
    with pytest.raises(WeightsError, match=r"needs the file bpe_simple_vocab_16e6\.txt\.gz of the package open_clip"):
        BytePairTokenizer(32)
