"""Stored results of the shipped model: a change of the numbers must be meant.

After a meant change: python -m tests.test_stored
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cdpnet.config import METHODS
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.evaluation.loop import evaluate
from cdpnet.network.build import load_network

STORED = Path(__file__).parent / "stored" / "tiny.json"


def measured(name: str) -> dict[str, list[float]]:
    """A few logits of the first episode, and the pixels counted over eight."""
    network, source = load_network("tiny", name), IconEpisodes(0, 1, "test")
    with torch.inference_mode():
        logits = network(source.draw(torch.arange(1)).batch).logits[0, :, 16::32, 16::32]
    total = evaluate(network, source, 8)
    return {
        "logits": [round(value, 4) for value in logits.flatten().tolist()],
        "pixels": [*total.intersection.sum(dim=0).tolist(), *total.union.sum(dim=0).tolist()],
    }


@pytest.mark.parametrize("name", METHODS)
def test_the_shipped_model_says_what_it_said(name: str) -> None:
    stored, now = json.loads(STORED.read_text())[name], measured(name)
    assert now["logits"] == pytest.approx(stored["logits"], abs=5e-3)
    assert now["pixels"] == pytest.approx(stored["pixels"], rel=2e-3)


if __name__ == "__main__":
    STORED.write_text(json.dumps({name: measured(name) for name in METHODS}, indent=1) + "\n")
