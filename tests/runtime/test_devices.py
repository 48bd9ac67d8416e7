"""Devices by name, each refusal one sentence, and `--device` on every command that computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from cdpnet.cli import main
from cdpnet.errors import ConfigError
from cdpnet.runtime.devices import resolve_device
from cdpnet.runtime.distributed import _own_device, processes

COMMANDS = {
    "segment": ["--support", "a.png:b.png", "--out", "o", "c.png"],
    "learn": ["--name", "x", "--support", "a.png:b.png", "-o", "o.safetensors"],
    "label": ["images", "--classes", "x.safetensors", "--out", "o"],
    "web": [],
    "demo": ["--out", "o"],
    "train": ["--out", "o"],
    "evaluate": [],
    "ablate": ["--out", "o"],
    "calibrate": ["--out", "o"],
    "pretrain": ["--out", "o"],
    "table": ["--out", "o"],
}


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs, as far as PyTorch is asked."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in (None, "auto", "cpu", torch.device("cpu")):
        assert resolve_device(device) == torch.device("cpu")
    for device in ("cuda", "cuda:0", torch.device("cuda")):
        with pytest.raises(ConfigError, match=r"finds no CUDA GPU here; use auto or cpu\."):
            resolve_device(device)
    with pytest.raises(ConfigError, match="finds no Apple GPU here"):
        resolve_device("mps")


@pytest.mark.usefixtures("two_gpus")
def test_with_two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device() == resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="cuda:2 is not there: PyTorch finds 2 CUDA GPUs here"):
        resolve_device("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "1")  # as torchrun says it
    assert _own_device("auto") == _own_device("cuda") == torch.device("cuda:1")
    assert _own_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="Under torchrun each process has a device of its own"):
        _own_device("cuda:0")


def test_a_process_alone_computes_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes("cpu") as here:
        assert (here.world, here.device) == (1, torch.device("cpu"))


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:01", "cuda:-1", "CPU", "", "meta"])
def test_a_name_that_is_none(device: str) -> None:
    with pytest.raises(ConfigError, match=r"There is no device .*; there are auto, cpu, cuda, cuda:N and mps"):
        resolve_device(device)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_device(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "c.png"):
        Image.new("RGB", (32, 32)).save(name)
    mask = Image.new("L", (32, 32))
    mask.paste(255, (8, 8, 24, 24))
    mask.save("b.png")
    Path("images").mkdir()
    Path("x.safetensors").touch()
    assert main([command, *COMMANDS[command], "--device", "gpu"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "There is no device 'gpu'" in said
