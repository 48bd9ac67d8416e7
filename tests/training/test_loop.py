"""Episodic training, small: what it changes and keeps, resuming to the bit, several processes, sudden death."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest
import torch

from cdpnet.config import METHODS, EncoderConfig, NetworkConfig, TrainConfig, method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.errors import ConfigError
from cdpnet.network.build import build_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.training.loop import drop_names, rate, train
from cdpnet.training.run import LOG_FILE, STATE_FILE

SMALL = SceneLayout(size=48)
CONFIG = TrainConfig(iterations=4, batch=2, checkpoint_every=1, validate_every=2, validation_episodes=2, warmup=1)


def trained(out: Path, config: TrainConfig = CONFIG, *, resume: bool = False, name: str = "cdpn") -> PrototypeNetwork:
    torch.manual_seed(0)
    network = build_network(method(name))
    train(network, IconEpisodes(0, 1, "train", layout=SMALL), config, out, resume=resume)
    return network


def weights(network: PrototypeNetwork) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}


def losses(out: Path) -> list[float]:
    found: list[float] = json.loads((out / LOG_FILE).read_text())["loss"]
    return found


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
    assert record is not None
    assert record.settings.episodes == IconEpisodes(0, 1, "train", layout=SMALL).settings()
    assert (record.settings.train, record.settings.checkpoint_selection) == (CONFIG.without_free(), "base classes")
    assert record.iteration in (2, 4)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, optimizer: Literal["adamw", "sgd"]) -> None:
    config = dataclasses.replace(CONFIG, optimizer=optimizer, schedule="steps", checkpoint_every=2)
    whole = weights(trained(tmp_path / "whole", config))

    def stop(progress: object) -> None:
        if getattr(progress, "iteration", 0) == 3:  # one iteration behind the last state, which is made again
            raise StoppedError

    torch.manual_seed(0)
    network = build_network(method("cdpn"))
    with pytest.raises(StoppedError):
        train(network, IconEpisodes(0, 1, "train", layout=SMALL), config, tmp_path / "parts", stop)
    torch.rand(3)  # whatever happened in between
    parts = weights(trained(tmp_path / "parts", config, resume=True))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    best = [PrototypeNetwork.from_pretrained(str(tmp_path / name)).state_dict() for name in ("whole", "parts")]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def test_a_run_is_continued_only_when_asked_and_only_with_its_settings(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(ConfigError, match="at iteration 4; go on with it by --resume"):
        trained(tmp_path)
    with pytest.raises(ConfigError, match=r"train.learning_rate was 0.0003 and is 0.01"):
        trained(tmp_path, dataclasses.replace(CONFIG, learning_rate=1e-2), resume=True)
    with pytest.raises(ConfigError, match="fold was 0 and is 3"):
        episodes = IconEpisodes(3, 1, "train", layout=SMALL)
        train(build_network(method("cdpn")), episodes, CONFIG, tmp_path, resume=True)
    with pytest.raises(ConfigError, match=r"network.text_fusion was True and is False"):
        trained(tmp_path, resume=True, name="panet")
    before = (tmp_path / STATE_FILE).read_bytes()
    trained(tmp_path, dataclasses.replace(CONFIG, workers=1), resume=True)  # finished, and workers change nothing
    assert (tmp_path / STATE_FILE).read_bytes() == before
    torch.manual_seed(0)
    network = build_network(method("cdpn"))
    with torch.no_grad():
        network.image.stages[4].conv2.weight.add_(1e-3)  # type: ignore[union-attr, index]
    with pytest.raises(ConfigError, match="frozen was"):
        train(network, IconEpisodes(0, 1, "train", layout=SMALL), CONFIG, tmp_path, resume=True)
    (tmp_path / STATE_FILE).write_bytes(before[:1000])
    with pytest.raises(ConfigError, match="broken; remove it"):
        trained(tmp_path, resume=True)
    (tmp_path / STATE_FILE).unlink()
    with pytest.raises(ConfigError, match="no run of training stands behind"):
        trained(tmp_path)


def test_only_own_leftovers_are_removed(tmp_path: Path) -> None:
    for name in (".training.0a1b2c3d.pt", ".bashrc.20240131", ".training.notes.pt"):
        (tmp_path / name).write_text("x")
    trained(tmp_path, dataclasses.replace(CONFIG, iterations=1))
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".bashrc.20240131", ".training.notes.pt"]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="iterations must be at least 1, not 0"):
        TrainConfig(iterations=0)
    with pytest.raises(ConfigError, match="warmup must not be negative, and is -20"):
        TrainConfig(warmup=-20)
    with pytest.raises(ConfigError, match="share from 0 to 1"):
        TrainConfig(text_dropout=2)
    frozen = build_network(NetworkConfig(EncoderConfig("clip-vit-b16"), **METHODS["ssp"]), WeightSources("random"))
    with pytest.raises(ConfigError, match="nothing to train"):
        train(frozen, IconEpisodes(0, 1, "train", layout=SMALL), CONFIG, Path("unused"))
    network = build_network(method("panet"))
    with pytest.raises(ConfigError, match=r"one of \[4, 8\], not 16"), network.image.at_stride(16):
        pass


def test_rates_by_hand() -> None:
    cosine = TrainConfig(iterations=100, warmup=10)
    assert rate(0, cosine) == pytest.approx(0.1)
    assert rate(50, cosine) == pytest.approx(0.5)
    steps = TrainConfig(iterations=90, warmup=0, schedule="steps")
    assert [rate(done, steps) for done in (0, 29, 30, 60, 89)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])


def test_accumulated_batches_equal_one_large_batch(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, optimizer="sgd", learning_rate=0.05)
    trained(tmp_path / "whole", dataclasses.replace(config, batch=4))
    trained(tmp_path / "parts", dataclasses.replace(config, accumulate=2))
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), abs=1e-4)


def test_the_coarse_grid_of_training_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    network = trained(tmp_path, dataclasses.replace(CONFIG, iterations=1, output_stride=8))
    assert network.image.stride == 4
    assert PrototypeNetwork.from_pretrained(str(tmp_path)).image.stride == 4
    image = torch.rand(1, 3, 64, 64)
    fine = network.image.features(image)
    with network.image.at_stride(8):
        coarse = network.image.features(image)
    assert coarse.shape[-2:] == (8, 8)
    assert (fine[..., ::2, ::2] - coarse)[..., 1:-3, 1:-3].abs().max() < 1e-4  # borders are padded differently
    assert torch.equal(network.image.features(image), fine)


def test_half_precision_trains_and_stays_near(tmp_path: Path) -> None:
    trained(tmp_path / "float", CONFIG)
    trained(tmp_path / "half", dataclasses.replace(CONFIG, precision="bfloat16"))
    assert losses(tmp_path / "half") == pytest.approx(losses(tmp_path / "float"), rel=0.05)
    assert losses(tmp_path / "half") != losses(tmp_path / "float")


def test_selection_on_novel_classes_is_said(tmp_path: Path) -> None:
    trained(tmp_path, dataclasses.replace(CONFIG, select_on="novel"))
    record = PrototypeNetwork.from_pretrained(str(tmp_path)).record
    assert record is not None
    assert record.settings.checkpoint_selection == "novel classes of the test fold"


def test_curves_are_written(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained(tmp_path, dataclasses.replace(CONFIG, curves=True))
    events = event_accumulator.EventAccumulator(str(tmp_path / "curves"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("validation mIoU")] == [2, 4]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(losses(tmp_path))


def test_text_dropout_takes_the_stated_share_of_names() -> None:
    index = torch.arange(400)
    batch = IconEpisodes(0, 1, "train", layout=SceneLayout(size=8, smallest_target=0)).draw(index).batch
    names = drop_names(batch, index, TrainConfig()).class_names
    gone = [i for i, name in enumerate(names) if name == ""]
    assert 50 < len(gone) < 110
    assert all(names[i] == batch.class_names[i] for i in range(400) if i not in gone)
    alone = drop_names(batch, index, TrainConfig(text_dropout=0))
    assert alone.class_names == batch.class_names


PARALLEL = """
import sys
from pathlib import Path
import torch
from cdpnet.config import method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.runtime.distributed import processes
from cdpnet.network.build import build_network
from cdpnet.training.loop import TrainConfig, train
torch.set_num_threads(1)
out, batch, iterations = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
accumulate = int(sys.argv[4])
config = TrainConfig(iterations=iterations, batch=batch, accumulate=accumulate, checkpoint_every=1, validate_every=2, validation_episodes=6, warmup=1)
with processes() as here:
    torch.manual_seed(0)
    network = build_network(method("cdpn"))
    episodes = IconEpisodes(0, 1, "train", layout=SceneLayout(size=48))
    train(network, episodes, config, out, processes=here, resume=True)
    here.wait()
    if here.first:
        (out / "finished").write_text("yes")
"""  # noqa: E501


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "run.py"
    path.write_text(PARALLEL)
    return path


def test_two_processes_in_two_parts_equal_one_with_all_at_once(tmp_path: Path, script: Path) -> None:
    single = subprocess.run([sys.executable, script, tmp_path / "one", "4", "4", "1"], capture_output=True, text=True)
    assert single.returncode == 0, single.stderr
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    double = subprocess.run([*torchrun, script, tmp_path / "two", "1", "4", "2"], capture_output=True, text=True)
    # gloo may abort when a process ends; what counts was said before
    assert (tmp_path / "two" / "finished").is_file(), double.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-3)
    logs = [json.loads((tmp_path / name / LOG_FILE).read_text()) for name in ("one", "two")]
    assert logs[0]["settings"]["processes"] == 1
    assert logs[1]["settings"]["processes"] == 2
    validated = [[entry["miou"] for entry in log["validation"]] for log in logs]
    assert validated[1] == pytest.approx(validated[0], abs=0.5)  # pixels at a tie


def test_killed_while_it_writes_the_folder_always_loads(tmp_path: Path, script: Path) -> None:
    """Ten kills at random moments behind the first checkpoint, each followed by the next process."""
    out, moments = tmp_path / "out", random.Random(0)
    command = [sys.executable, str(script), str(out), "1", "100000", "1"]
    reached = 0
    for _ in range(10):
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        begin = time.monotonic()
        while not _grew(out, reached):
            assert process.poll() is None
            assert time.monotonic() - begin < 120
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 0.6))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        now = torch.load(out / STATE_FILE, weights_only=True)["iteration"]
        assert now > reached
        reached = now
        log = json.loads((out / LOG_FILE).read_text())
        assert len(log["loss"]) in (now - 1, now)  # written right behind the state
        if (out / "config.json").is_file():
            PrototypeNetwork.from_pretrained(str(out))
    assert (out / "config.json").is_file()


def _grew(out: Path, reached: int) -> bool:
    """Whether the run in the folder is past an iteration."""
    path = out / LOG_FILE
    return path.is_file() and len(json.loads(path.read_text())["loss"]) > reached
