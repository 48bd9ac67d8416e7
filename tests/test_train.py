"""Training and pretraining, small: the code paths, resuming, and what is kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cdpnet.config import method
from cdpnet.data.icons import IconEpisodes
from cdpnet.data.scenes import SceneLayout, compose
from cdpnet.encoders.tiny import WEIGHTS_FILE, build_tiny
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import ConfigError
from cdpnet.evaluate import evaluate
from cdpnet.network import PrototypeNetwork, build_network
from cdpnet.pretrain import (
    PretrainConfig,
    captions,
    contrastive_loss,
    export,
    held_out_drawings,
    portraits,
    pretrain,
)
from cdpnet.train import LOG_FILE, TrainConfig, train, without_some_names

SMALL = SceneLayout(size=48)
CONFIG = TrainConfig(iterations=4, batch=2, validate_every=2, validation_episodes=2)


def trained(out: Path, config: TrainConfig = CONFIG) -> PrototypeNetwork:
    torch.manual_seed(0)
    network = build_network(method("cdpn"))
    train(network, IconEpisodes(0, 1, "train", layout=SMALL), config, out)
    return network


def weights(network: PrototypeNetwork) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}


def test_training_changes_what_it_may_and_nothing_else(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = build_network(method("cdpn"))
    start = {name: value.clone() for name, value in before.state_dict().items()}
    after = trained(tmp_path).state_dict()
    changed = {name for name in start if not torch.equal(start[name], after[name])}
    assert changed
    assert changed <= set(weights(before))
    assert any(name.startswith("image.stages.2") for name in changed)
    assert any(name.startswith("fusion") for name in changed)
    log = json.loads((tmp_path / LOG_FILE).read_text())
    assert len(log["loss"]) == 4
    assert [entry["iteration"] for entry in log["validation"]] == [2, 4]
    record = PrototypeNetwork.from_pretrained(str(tmp_path)).record
    assert (record["fold"], record["checkpoint_selection"]) == (0, "base classes")


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = weights(trained(tmp_path / "whole"))
    real, calls = evaluate, 0

    def interrupted(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("cdpnet.train.evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts")
    monkeypatch.setattr("cdpnet.train.evaluate", real)
    parts = weights(trained(tmp_path / "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_other_settings_do_not_continue_a_run(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(ConfigError, match="other settings"):
        trained(tmp_path, dataclasses.replace(CONFIG, learning_rate=1e-2))
    with pytest.raises(ConfigError, match="other settings"):
        train(build_network(method("cdpn")), IconEpisodes(3, 1, "train", layout=SMALL), CONFIG, tmp_path)
    with pytest.raises(ConfigError, match="other settings"):
        train(build_network(method("panet")), IconEpisodes(0, 1, "train", layout=SMALL), CONFIG, tmp_path)
    with pytest.raises(ConfigError, match="at least 1"):
        TrainConfig(iterations=0)
    with pytest.raises(ConfigError, match="share from 0 to 1"):
        TrainConfig(text_dropout=2)


def test_text_dropout_takes_the_stated_share_of_names() -> None:
    index = torch.arange(400)
    batch = IconEpisodes(0, 1, "train", layout=SceneLayout(size=8, smallest_target=0)).draw(index).batch
    names = without_some_names(batch, index, TrainConfig()).class_names
    gone = [i for i, name in enumerate(names) if name == ""]
    assert 50 < len(gone) < 110
    assert all(names[i] == batch.class_names[i] for i in range(400) if i not in gone)
    alone = without_some_names(batch, index, TrainConfig(text_dropout=0))
    assert alone.class_names == batch.class_names


def test_evaluation_does_not_depend_on_the_batch() -> None:
    network = build_network(method("ssp")).eval()
    source = IconEpisodes(2, 1, "test", layout=SMALL)
    done: list[int] = []
    one, many = evaluate(network, source, 7, batch=1), evaluate(network, source, 7, batch=4, progress=done.append)
    assert (one.intersection - many.intersection).abs().max() <= 3  # pixels at a tie, by another order of summing
    assert torch.equal(one.episodes, many.episodes)
    assert sum(done) == 7
    assert int(one.episodes.sum()) == 7


def test_contrastive_loss_by_hand() -> None:
    """Two pictures of class 0 and one of the background, logits that know it: the loss is near zero."""
    words = captions()
    logits = torch.full((3, len(words.texts)), -30.0)
    target = torch.tensor([0, 0, words.n_names - 1])
    logits[torch.arange(3), target] = 30
    logits[:2, words.n_names + int(words.class_category[0])] = 30
    good = contrastive_loss(logits, target, words, 0.3)
    # Of two pictures of one class each can have half of the probability: log 2, once among two names present.
    assert abs(good.item() - 0.5 * torch.tensor(2.0).log().item() / 2) < 1e-4
    assert contrastive_loss(-logits, target, words, 0.3) > 10


def test_held_out_drawings_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from cdpnet import pretrain as module

    shown: list[torch.Tensor] = []

    def spied(seed: int, index: torch.Tensor, glyph: torch.Tensor, pool: torch.Tensor, layout: SceneLayout) -> object:
        shown.extend((glyph[glyph >= 0], pool))
        return compose(seed, index, glyph, pool, layout)

    monkeypatch.setattr("cdpnet.pretrain.compose", spied)
    config = PretrainConfig(batch=64)
    for step in range(3):
        images, target = portraits(config, step, module._glyphs_by_class())
        assert images.shape == (64, 3, 64, 64)
        assert target.max() < captions().n_names
    held = held_out_drawings()
    assert held.any()
    assert not held[torch.cat(shown)].any()


def test_pretraining_resumes_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cdpnet import pretrain as module

    config = PretrainConfig(crops=32, batch=8, save_every=2, warmup=2)
    lines: list[str] = []
    whole = pretrain(config, tmp_path / "whole", lines.append)
    assert lines
    real = module._save

    def stopped(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("cdpnet.pretrain._save", stopped)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path / "parts", lines.append)
    assert torch.load(tmp_path / "parts" / "pretrain.pt", weights_only=True)["step"] == 2
    monkeypatch.setattr("cdpnet.pretrain._save", real)
    with pytest.raises(ConfigError, match="other settings"):
        pretrain(dataclasses.replace(config, seed=5), tmp_path / "parts", lines.append)
    again = pretrain(config, tmp_path / "parts", lines.append)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    path = export(whole, tmp_path)
    assert path.name == WEIGHTS_FILE
    assert path.stat().st_size < 7e6
    load_into(build_tiny(), read_state(path), "the export")
