"""Episodic training, small: what it changes, batches that share a step, text dropout."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from cdpnet.config import METHODS, EncoderConfig, NetworkConfig, TrainConfig, method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.errors import ConfigError
from cdpnet.network.build import build_network
from cdpnet.network.checkpoint import read_config
from cdpnet.network.model_files import CONFIG_FILE
from cdpnet.network.network import PrototypeNetwork
from cdpnet.training.loop import drop_names, scale_rate, train
from cdpnet.training.run import LOG_FILE
from tests.training.small import CONFIG, losses, new_episodes, train_small, weights


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training in single precision."""
    out = tmp_path_factory.mktemp("whole")
    train_small(out)
    return out


def test_training_changes_what_it_may_and_nothing_else(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(method("cdpn"))
    start = {name: value.clone() for name, value in network.state_dict().items()}
    train(network, new_episodes(), dataclasses.replace(CONFIG, batch=1, iterations=2), tmp_path)
    after = network.state_dict()
    changed = {name for name in start if not torch.equal(start[name], after[name])}
    assert changed
    assert changed <= set(weights(network))
    assert any(name.startswith("image.stages.2") for name in changed)
    assert any(name.startswith("fusion") for name in changed)
    loaded = PrototypeNetwork.from_pretrained(str(tmp_path))
    assert all(torch.equal(value, after[name]) for name, value in loaded.state_dict().items())
    assert loaded.record == network.record


def test_the_log_and_the_checkpoint_say_how_the_network_was_trained(whole: Path) -> None:
    log = json.loads((whole / LOG_FILE).read_text())
    assert len(log["loss"]) == 4
    assert [entry["iteration"] for entry in log["validation"]] == [2, 4]
    record = read_config(whole / CONFIG_FILE).record
    assert record is not None
    assert record.settings.episodes == new_episodes().settings()
    assert (record.settings.train, record.settings.checkpoint_selection) == (CONFIG.without_free(), "base classes")
    best = max(log["validation"], key=lambda entry: float(entry["miou"]))
    assert (record.iteration, record.validation_miou) == (best["iteration"], best["miou"])


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="iterations must be at least 1, not 0"):
        TrainConfig(iterations=0)
    with pytest.raises(ConfigError, match="warmup must not be negative, and is -20"):
        TrainConfig(warmup=-20)
    with pytest.raises(ConfigError, match="share from 0 to 1"):
        TrainConfig(text_dropout=2)
    frozen = build_network(NetworkConfig(EncoderConfig("clip-vit-b16"), **METHODS["ssp"]), WeightSources("random"))
    with pytest.raises(ConfigError, match="nothing to train"):
        train(frozen, new_episodes(), CONFIG, Path("unused"))
    network = build_network(method("panet"))
    with pytest.raises(ConfigError, match=r"one of \[4, 8\], not 16"), network.image.at_stride(16):
        pass


def test_rates_by_hand() -> None:
    cosine = TrainConfig(iterations=100, warmup=10)
    assert scale_rate(0, cosine) == pytest.approx(0.1)
    assert scale_rate(50, cosine) == pytest.approx(0.5)
    steps = TrainConfig(iterations=90, warmup=0, schedule="steps")
    assert [scale_rate(done, steps) for done in (0, 29, 30, 60, 89)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])


def test_accumulated_batches_equal_one_large_batch(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, optimizer="sgd", learning_rate=0.05)
    train_small(tmp_path / "whole", dataclasses.replace(config, batch=4))
    train_small(tmp_path / "parts", dataclasses.replace(config, accumulate=2))
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), abs=1e-4)


def test_the_coarse_grid_of_training_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    network = build_network(method("panet"))
    train(network, new_episodes(), dataclasses.replace(CONFIG, batch=1, iterations=1, output_stride=8), tmp_path)
    assert network.image.stride == 4
    assert PrototypeNetwork.from_pretrained(str(tmp_path)).image.stride == 4
    image = torch.rand(1, 3, 64, 64)
    fine = network.image.features(image)
    with network.image.at_stride(8):
        coarse = network.image.features(image)
    assert coarse.shape[-2:] == (8, 8)
    assert (fine[..., ::2, ::2] - coarse)[..., 1:-3, 1:-3].abs().max() < 1e-4  # borders are padded differently
    assert torch.equal(network.image.features(image), fine)


def test_half_precision_trains_and_stays_near(whole: Path, tmp_path: Path) -> None:
    train_small(tmp_path, dataclasses.replace(CONFIG, precision="bfloat16"))
    assert losses(tmp_path) == pytest.approx(losses(whole), rel=0.05)
    assert losses(tmp_path) != losses(whole)


def test_selection_on_novel_classes_is_said(tmp_path: Path) -> None:
    train_small(tmp_path, dataclasses.replace(CONFIG, select_on="novel", iterations=1))
    record = read_config(tmp_path / CONFIG_FILE).record
    assert record is not None
    assert record.settings.checkpoint_selection == "novel classes of the test fold"


def test_text_dropout_takes_the_stated_share_of_names() -> None:
    index = torch.arange(400)
    batch = IconEpisodes(0, 1, "train", layout=SceneLayout(size=8, smallest_target=0)).draw(index).batch
    names = drop_names(batch, index, TrainConfig()).class_names
    gone = [i for i, name in enumerate(names) if name == ""]
    assert 50 < len(gone) < 110
    assert all(names[i] == batch.class_names[i] for i in range(400) if i not in gone)
    alone = drop_names(batch, index, TrainConfig(text_dropout=0))
    assert alone.class_names == batch.class_names
