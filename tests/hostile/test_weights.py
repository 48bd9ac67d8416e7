"""Weights: code in archives, numbers that are not finite, tensors of other kinds, classes of another encoder."""

from __future__ import annotations

import dataclasses
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import DataError, WeightsError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.hub import from_hub
from cdpnet.network.network import PrototypeNetwork
from tests.cli.running import run


class RunsCode(nn.Module):
    """A module whose TorchScript archive prints a line when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("numbers", torch.arange(3.0))

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return (self.numbers, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        print("the code ran")
        self.numbers = state[0]
        self.training = state[1]


def test_an_archive_with_code_is_opened_by_its_own_command_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, out = tmp_path / "clip.pt", tmp_path / "clip.safetensors"
    torch.jit.save(torch.jit.script(RunsCode()), archive)
    with pytest.raises(WeightsError, match=r"TorchScript archive, .* by `cdpnet weights convert .*clip\.pt OUT"):
        read_state(archive)
    refused = run("weights", "convert", archive, out)
    assert refused.returncode == 2
    assert "runs the code in it; pass --trust" in refused.stderr
    assert not out.exists()
    assert "the code ran" not in capsys.readouterr().out + refused.stdout
    converted = run("weights", "convert", archive, out, "--trust")
    assert converted.returncode == 0, converted.stderr
    assert ": 1 tensor\n" in converted.stdout
    assert "the code ran" in converted.stdout  # so the check above can fail
    assert torch.equal(read_state(out)["numbers"], torch.arange(3.0))


def test_only_weights_are_converted_and_nothing_is_replaced(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    (tmp_path / "there.safetensors").write_text("mine")
    for source, out, sentence in (
        ("a.pt", "b.safetensors", "is no TorchScript archive"),
        ("none.pt", "b.safetensors", "There is no file"),
        ("a.pt", "b.pt", "does not end in .safetensors"),
        ("a.pt", "there.safetensors", "exists already"),
    ):
        shown = run("weights", "convert", tmp_path / source, tmp_path / out, "--trust")
        assert (shown.returncode, len(shown.stderr.splitlines())) == (2, 1)
        assert sentence in shown.stderr
    assert (tmp_path / "there.safetensors").read_text() == "mine"
    assert run("weights").returncode == 2


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        (torch.full((3, 2), float("nan")), "'weight' holds numbers that are not finite"),
        (torch.full((3, 2), 1e300, dtype=torch.float64), "'weight' holds numbers that are not finite"),
        (torch.zeros(3, 2, dtype=torch.int64), "'weight' holds int64, where floating-point numbers belong"),
        (torch.zeros(3, 2, dtype=torch.complex64), "'weight' holds complex64"),
        (torch.zeros(1).expand(3, 2), "'weight' repeats fewer numbers than its shape has"),
        (torch.zeros(1).expand(10**12), "another shape of 'weight'"),
        (torch.zeros(3, 2).to_sparse(), "'weight' is not stored as plain numbers"),
        (torch.zeros(3, 2, device="meta"), "'weight' is not stored as plain numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tensors_that_are_no_weights_are_refused(weight: Tensor, sentence: str, tmp_path: Path) -> None:
    torch.save({"weight": weight, "bias": torch.zeros(3)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError) as caught:
        load_into(nn.Linear(2, 3), read_state(tmp_path / "w.pt"), "w.pt")
    assert sentence in str(caught.value)


def test_weights_of_any_strides_and_precision_are_read(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3).T
    layer = nn.Linear(2, 3)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        torch.save({"weight": weight.to(dtype), "bias": torch.zeros(3, dtype=dtype)}, tmp_path / "w.pt")
        load_into(layer, read_state(tmp_path / "w.pt"), "w.pt")
        assert torch.equal(layer.weight, weight)
        assert layer.weight.dtype == torch.float32


def test_other_keys_and_compressed_archives_are_refused(tmp_path: Path) -> None:
    torch.save({1: torch.zeros(2)}, tmp_path / "keys.pt")
    with pytest.raises(WeightsError, match="no state dict"):
        read_state(tmp_path / "keys.pt")
    with (
        zipfile.ZipFile(tmp_path / "keys.pt") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    (tmp_path / "protocol.pt").write_bytes(pickle.dumps({"a": print}, protocol=4))
    with warnings.catch_warnings(), pytest.raises(WeightsError, match="other objects than tensors"):
        warnings.simplefilter("error")
        read_state(tmp_path / "protocol.pt")
    with pytest.raises(WeightsError, match="compressed archive"):
        read_state(tmp_path / "bomb.pt")


def test_a_class_of_another_encoder_is_refused(tiny: PrototypeNetwork, icon_files: Path) -> None:
    segmenter = Segmenter(tiny)
    known = segmenter.learn("thing", icon_files / "support.png", icon_files / "mask.png")
    short = {name: getattr(known, name)[:3] for name in ("background", "foreground", "text")}
    changes: tuple[dict[str, Any], ...] = (short, {"text": None}, {"fusion": {"x": torch.zeros(2)}})
    for changed, sentence in zip(changes, ("by another model", "by another model", "fusion of the class"), strict=True):
        with pytest.raises((DataError, WeightsError), match=sentence):
            segmenter.segment(icon_files / "query.png", [dataclasses.replace(known, **changed)])


def test_offline_nothing_is_asked_for_published_weights(requests: list[object]) -> None:
    """HF_HUB_OFFLINE=1, which all tests run under."""
    with pytest.raises(WeightsError, match="are not on this machine"):
        from_hub("someone/model", "model.safetensors", "--image-weights")
    assert not requests
