"""CLIP's byte-pair tokenizer: text of any language -> numbers of tokens.

The table of merges is a file of open_clip, which is found without importing it: that takes seconds, and the pair
`photo` needs nothing else of it. The numbers are those of open_clip's own tokenizer (a test compares).
"""

from __future__ import annotations

import gzip
import html
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Protocol

import ftfy
import regex
import torch
from torch import Tensor

from cdpnet.errors import WeightsError

MERGES = 48894  # of CLIP: with 512 symbols of bytes and 2 special tokens, 49408 tokens
_FILE = "bpe_simple_vocab_16e6.txt.gz"
_START, _END = "<start_of_text>", "<end_of_text>"
_WORD_END = "</w>"
_WORDS = regex.compile(
    rf"{_START}|{_END}|'s|'t|'re|'ve|'m|'ll|'d|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+", regex.IGNORECASE
)


class Tokenizer(Protocol):
    """What a text encoder needs of a tokenizer, our own or one of open_clip."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, as many as there are."""
        ...

    def __call__(self, texts: list[str]) -> Tensor:
        """The tokens of texts between a start and an end token, cut or padded with zeros: (n, context length)."""
        ...


class BytePairTokenizer:
    """The tokenizer of CLIP, or one with the first merges only: rare words give more tokens; any text works.

    context_length: of the rows of tokens. merges: their number. symbols: what each token stands for.

    WeightsError where open_clip has no table of merges.
    """

    def __init__(self, context_length: int, merges: int = MERGES) -> None:
        self.context_length = context_length
        letters = _letters()
        self._letters = dict(letters)
        pairs = [_pair(line) for line in _read_merges(merges)]
        self._ranks = {pair: rank for rank, pair in enumerate(pairs)}
        alphabet = [letter for _, letter in letters]
        joined = [first + second for first, second in pairs]
        self.symbols = [*alphabet, *(letter + _WORD_END for letter in alphabet), *joined, _START, _END]
        self._numbers = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._known: dict[str, list[int]] = {special: [self._numbers[special]] for special in (_START, _END)}

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, as many as there are; letters are made small and white space does not count."""
        clean = " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()
        return [number for word in _WORDS.findall(clean) for number in self._encode_word(word)]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """The tokens of texts between a start and an end token, cut or padded with zeros: (n, context length) int64."""
        start, end = self._numbers[_START], self._numbers[_END]
        rows = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            tokens = [start, *self.encode(text)[: self.context_length - 2], end]
            row[: len(tokens)] = torch.tensor(tokens)
        return rows

    def _encode_word(self, word: str) -> list[int]:
        spelled = "".join(self._letters[byte] for byte in word.encode())
        if spelled not in self._known:
            symbols = [*spelled[:-1], spelled[-1] + _WORD_END]
            self._known[spelled] = [self._numbers[symbol] for symbol in self._merge(symbols)]
        return self._known[spelled]

    def _merge(self, symbols: list[str]) -> list[str]:
        """Join the pair that comes first in the table, wherever it stands, until no pair is in the table."""
        while len(symbols) > 1:
            first = min(pairwise(symbols), key=lambda pair: self._ranks.get(pair, inf))
            if first not in self._ranks:
                break
            symbols = list(_join(symbols, first))
        return symbols


def _join(symbols: list[str], pair: tuple[str, str]) -> Iterator[str]:
    i = 0
    while i < len(symbols):
        found = tuple(symbols[i : i + 2]) == pair
        yield "".join(pair) if found else symbols[i]
        i += 2 if found else 1


def _letters() -> list[tuple[int, str]]:
    """The 256 bytes in the order of their tokens, and the letter that each is written as in the table.

    Bytes that Latin-1 prints are that letter; the others, after them, are the letters from number 256 on.
    """
    printed = [byte for byte in range(256) if 33 <= byte <= 126 or (161 <= byte <= 255 and byte != 173)]
    others = [byte for byte in range(256) if byte not in printed]
    return [(byte, chr(byte)) for byte in printed] + [(byte, chr(256 + i)) for i, byte in enumerate(others)]


def _read_merges(count: int) -> list[str]:
    spec = find_spec("open_clip")
    file = Path(spec.origin).with_name(_FILE) if spec and spec.origin else Path(_FILE)
    if not file.is_file():
        raise WeightsError(f"The tokenizer of CLIP needs the file {_FILE} of the package open_clip_torch; install it.")
    return gzip.decompress(file.read_bytes()).decode().split("\n")[1 : 1 + count]


def _pair(line: str) -> tuple[str, str]:
    first, second = line.split()
    return first, second
