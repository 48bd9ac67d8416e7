"""Our own text tower: a small transformer that gives any English phrase a direction, for the pair `photo`.

Its weights are distilled from a sentence encoder, see `cdpnet.experiments.distillation`. Every size is our choice.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from cdpnet.encoders.catalogue import TEXT_FILE
from cdpnet.encoders.tokenizer import BytePairTokenizer
from cdpnet.encoders.weights import load_into, read_state

CLASS_NAMES = "class_names"  # with the weights: the features of the names of ImageNet's classes, (1000, 384)
N_CLASSES = 1000  # of ImageNet
CONTEXT_LENGTH = 32
DIM = 384  # of the teacher's space
VOCABULARY = 49408  # of CLIP's tokenizer
_TOKEN, _WIDTH, _LAYERS, _HEADS = 160, 256, 3, 4
_TABLE, _SCALE = "token_embedding.weight", "token_embedding.scale"
_LEVELS = 127  # of a signed byte


class TextTower(nn.Module):
    """Phrases as CLIP's tokens -> text features; `TextEncoder` uses it as it uses a CLIP model.

    A phrase is the mean over its tokens of a transformer without causal mask, projected into the teacher's space, plus
    the projected mean of its token embeddings, which is a good start and stays useful for rare words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, _TOKEN)
        self.token_projection = nn.Linear(_TOKEN, _WIDTH)
        self.positional_embedding = nn.Parameter(torch.randn(CONTEXT_LENGTH, _WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(
            _WIDTH, _HEADS, 4 * _WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False)
        self.ln_final = nn.LayerNorm(_WIDTH)
        self.text_projection = nn.Parameter(torch.randn(_WIDTH, DIM) * _WIDTH**-0.5)
        self.direct_projection = nn.Parameter(torch.zeros(_TOKEN, DIM))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids (n, L), a start token first, padded with zeros -> features of any length (n, 384)."""
        tokens = tokens[:, 1 : int((tokens != 0).sum(dim=1).max())]
        real = tokens != 0
        embedded = self.token_embedding(tokens)
        x = self.token_projection(embedded) + self.positional_embedding[: tokens.shape[1]]
        x = self.ln_final(self.transformer(x, src_key_padding_mask=~real))
        weights = (real / real.sum(dim=1, keepdim=True)).to(x.dtype)[:, None]
        mean, direct = (weights @ x)[:, 0], (weights @ embedded)[:, 0]
        features: Tensor = mean @ self.text_projection + direct @ self.direct_projection
        return features


def load_tower(path: Path | None = None) -> TextTower:
    """The tower with the weights in a file, by default those that the package ships. WeightsError as `read_state`."""
    tower = TextTower()
    if path is None:
        with resources.as_file(resources.files("cdpnet.weights").joinpath(TEXT_FILE)) as shipped:
            return load_tower(shipped)
    load_into(tower, unpack(read_state(path)), str(path), ignore=(CLASS_NAMES,))
    return tower.eval()


def text_tokenizer() -> BytePairTokenizer:
    """CLIP's tokenizer, as long as the tower reads."""
    return BytePairTokenizer(CONTEXT_LENGTH)


def pack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights in a third of their size: the table of tokens in bytes with one scale a row, the rest in float16."""
    table = state[_TABLE].float()
    scale = (table.abs().amax(dim=1, keepdim=True) / _LEVELS).clamp(min=1e-8).half()
    packed = {key: value.half().contiguous() for key, value in state.items() if key != _TABLE}
    return {**packed, _TABLE: (table / scale.float()).round().clamp(-_LEVELS, _LEVELS).to(torch.int8), _SCALE: scale}


def unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `pack` in float32; others unchanged."""
    if _SCALE not in packed:
        return packed
    state = {key: value.float() for key, value in packed.items() if key != _SCALE}
    return {**state, _TABLE: packed[_TABLE].float() * packed[_SCALE].float()}
