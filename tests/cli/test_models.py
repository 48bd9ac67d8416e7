"""`cdpnet models`: the facts about every named model, and that they are those of the committed result files."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks.models import TARGET, scores
from cdpnet.config import EncoderConfig
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import PAIRS, RANDOM, WeightSources
from cdpnet.encoders.facts import model_facts, offline_lines
from tests.cli.running import run


def test_every_named_model_is_listed_once() -> None:
    assert [model.name for model in model_facts()] == list(PAIRS)
    shown = run("models", "--markdown").stdout.splitlines()
    for name in PAIRS:
        assert sum(line.startswith(f"| {name} |") for line in shown) == 3  # once in each table
    assert "None" not in "".join(shown)
    table = run("models").stdout
    assert "not measured" in table
    assert all(name in table for name in PAIRS)


def test_scores_are_those_of_the_committed_results() -> None:
    measured = json.loads(TARGET.read_text())
    for name, found in scores().items():
        assert {key: measured[name][key] for key in found} == found
    by_name = {model.name: model for model in model_facts()}
    assert by_name["photo"].photographs == (34.3, 46.6)
    assert by_name["tiny"].icons == (58.4, 59.2)
    assert by_name["clip-vit-b16"].photographs is None


@pytest.mark.parametrize("name", PAIRS)
def test_sizes_are_those_of_the_encoders(name: str) -> None:
    facts = {model.name: model for model in model_facts()}[name]
    with torch.device("meta"):
        image = build_encoders(EncoderConfig(name), WeightSources(RANDOM, RANDOM), reads_names=False).image
    assert (facts.channels, facts.stride) == (image.channels, image.stride)
    assert facts.parameters == round(sum(p.numel() for p in image.parameters()) / 1e6, 1)


def test_a_model_says_how_to_get_its_weights() -> None:
    shown = run("models", "clip-vit-b16").stdout
    assert "hf download timm/vit_base_patch16_clip_224.openai open_clip_model.safetensors" in shown
    assert "--image-weights clip-vit-b16/image/open_clip_model.safetensors" in shown
    photo = run("models", "photo").stdout
    assert "It needs no network." in photo
    assert "\nphotographs: mIoU, 5 examples: 46.6\n" in photo  # a line says of what it is, unlike a column
    assert [offline_lines(model) for model in model_facts() if model.name in ("photo", "tiny")] == [[], []]
    refused = run("models", "vgg")
    assert refused.returncode == 2
    assert refused.stderr.startswith("cdpnet: There is no named model vgg; there are tiny, photo")
