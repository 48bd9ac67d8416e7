"""Contrastive pretraining, small: losses by hand, what is shown, resuming, the export."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from cdpnet.data.icons.portraits import held_out_drawings, portraits, words
from cdpnet.data.icons.scenes import SceneLayout, compose
from cdpnet.encoders.catalogue import TINY_FILE
from cdpnet.encoders.tiny import build_tiny
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.experiments.config import PretrainConfig
from cdpnet.experiments.pretraining import contrastive_loss, export, location_loss, pretrain


def test_location_loss_by_hand() -> None:
    """Two locations, three names and the background; the image says name 0 and the background."""
    config = PretrainConfig(main_at=1, other_at=1)
    said = torch.tensor([[True, False, False, True]])
    main = torch.tensor([0])
    p = torch.tensor([[[0.6, 0.1, 0.1, 0.2], [0.1, 0.2, 0.3, 0.4]]])
    expected = -0.5 * (torch.tensor(0.8).log() + torch.tensor(0.5).log()) / 2 - torch.tensor(0.6).log()
    assert torch.allclose(location_loss(p.log(), main, said, config), expected)
    said[0, 2] = True  # something else is there: its best location has a probability of 0.3
    expected = -0.5 * (torch.tensor(0.9).log() + torch.tensor(0.8).log()) / 2 - torch.tensor(0.6).log()
    expected = expected - 0.5 * torch.tensor(0.3).log()
    assert torch.allclose(location_loss(p.log(), main, said, config), expected)
    only_background = torch.tensor([[False, False, False, True]])
    empty = location_loss(p.log(), torch.tensor([3]), only_background, config)
    assert torch.allclose(empty, -0.5 * (torch.tensor(0.2).log() + torch.tensor(0.4).log()) / 2)


def test_captions_say_what_is_visible() -> None:
    index = torch.arange(64)
    images, main, said = portraits(0, index, empty_share=0.2)
    assert images.shape == (64, 3, 64, 64)
    empty = main == words().n_names - 1
    assert 3 <= int(empty.sum()) <= 25
    assert said[torch.arange(64), main].all()
    assert said[:, -1].all()
    assert (said[empty].sum(dim=1) == 1).all()
    assert (said.sum(dim=1) <= 4).all()  # the background, the main object, up to two others
    assert (said[~empty].sum(dim=1) > 2).any()
    again = portraits(0, index[10:20], empty_share=0.2)
    assert torch.equal(again.said, said[10:20])
    assert torch.equal(again.main, main[10:20])


def test_contrastive_loss_by_hand() -> None:
    """Two images of class 0 and one of the background, logits that know it: the loss is near zero."""
    vocabulary = words()
    logits = torch.full((3, len(vocabulary.texts)), -30.0)
    target = torch.tensor([0, 0, vocabulary.n_names - 1])
    logits[torch.arange(3), target] = 30
    logits[:2, vocabulary.n_names + int(vocabulary.category[0])] = 30
    good = contrastive_loss(logits, target, vocabulary, 0.3)
    # Of two images of one class each can have half of the probability: log 2, once among two names present.
    assert abs(good.item() - 0.5 * torch.tensor(2.0).log().item() / 2) < 1e-4
    assert contrastive_loss(-logits, target, vocabulary, 0.3) > 10


def test_held_out_drawings_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[torch.Tensor] = []

    def spied(seed: int, index: torch.Tensor, glyph: torch.Tensor, pool: torch.Tensor, layout: SceneLayout) -> object:
        shown.extend((glyph[glyph >= 0], pool))
        return compose(seed, index, glyph, pool, layout)

    monkeypatch.setattr("cdpnet.data.icons.portraits.compose", spied)
    portraits(0, torch.arange(192), 0.06)
    held = held_out_drawings()
    assert held.any()
    assert len(torch.cat(shown)) > 192
    assert not held[torch.cat(shown)].any()


def test_pretraining_resumes_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cdpnet.experiments import pretraining as module

    config = PretrainConfig(crops=8, batch=4, save_every=1, warmup=2)
    lines: list[str] = []
    whole = pretrain(config, tmp_path / "whole", lines.append)
    assert lines
    real = module._save

    def stopped(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("cdpnet.experiments.pretraining._save", stopped)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path / "parts", lines.append)
    assert torch.load(tmp_path / "parts" / "pretrain.pt", weights_only=True)["step"] == 1
    monkeypatch.setattr("cdpnet.experiments.pretraining._save", real)
    with pytest.raises(ConfigError, match="other settings"):
        pretrain(dataclasses.replace(config, seed=5), tmp_path / "parts", lines.append)
    again = pretrain(config, tmp_path / "parts", lines.append)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    path = export(whole, tmp_path)
    assert path.name == TINY_FILE
    assert path.stat().st_size < 7e6
    load_into(build_tiny(), read_state(path), "the export")

    further = dataclasses.replace(config, start=str(tmp_path / "whole"), learning_rate=1e-9, seed=1, crops=4)
    onward = pretrain(further, tmp_path / "onward", lines.append)
    weight = "visual.layer4.0.conv2.weight"
    assert torch.allclose(onward.state_dict()[weight], whole.state_dict()[weight], atol=1e-6)
    from_file = pretrain(
        dataclasses.replace(further, start=str(path), precision="bfloat16"), tmp_path / "from-file", lines.append
    )
    reached = from_file.state_dict()[weight]  # the export is in half precision
    assert torch.allclose(reached, whole.state_dict()[weight], atol=1e-3)
    with pytest.raises(WeightsError, match="--start takes"):
        pretrain(dataclasses.replace(config, start=str(tmp_path / "nothing")), tmp_path / "none", lines.append)
