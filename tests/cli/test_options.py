"""Options that several commands share, as values."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cdpnet.configs
from cdpnet.cli.options import encoder_by_name, with_preset
from cdpnet.cli.outputs import out_file, out_folder
from cdpnet.errors import DataError
from tests.cli.running import run


def test_outputs_are_made_before_the_work_starts(tmp_path: Path) -> None:
    with out_folder(str(tmp_path / "a" / "b")) as folder, out_file(str(tmp_path / "c" / "d.json"), b"{") as file:
        assert folder.is_dir()
        assert file.parent.is_dir()
    assert folder.is_dir()
    with pytest.raises(DataError, match="is a folder"), out_file(str(tmp_path / "a"), b"{"):
        pass


def test_a_folder_that_may_not_be_written_to_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # the user of a test may be root, who may write everywhere
    with pytest.raises(DataError, match="may not be written to"), out_file(str(tmp_path / "a.json"), b"{"):
        pass


def test_only_a_file_of_its_own_kind_is_replaced(tmp_path: Path) -> None:
    file, pipe = tmp_path / "a.json", tmp_path / "pipe"
    for content in (b"", b"{}"):
        file.write_bytes(content)
        with out_file(str(file), b"{"):
            pass
    file.write_bytes(b"[]")
    os.mkfifo(pipe)
    for path, message in ((file, "is a file of another kind"), (pipe, "is a pipe")):
        with pytest.raises(DataError, match=message), out_file(str(path), b"{"):
            pass
    assert file.read_bytes() == b"[]"


def test_what_was_made_is_removed_where_the_work_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "new/deep"):
        with pytest.raises(DataError), out_folder(str(tmp_path / name)):
            raise DataError("An encoder that is not there.")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    with pytest.raises(KeyboardInterrupt), out_folder(str(tmp_path / "new/deep")) as folder:
        (folder / "log.json").touch()
        raise KeyboardInterrupt
    assert folder.is_dir()


@pytest.mark.parametrize("command", ["train", "table"])
def test_an_unknown_encoder_leaves_no_folder(command: str, tmp_path: Path) -> None:
    shown = run(command, "--encoder", "timm:nope", "--image-weights", "random", "--out", tmp_path / "runs" / "a")
    assert shown.returncode == 2
    assert "timm has no model 'nope'" in shown.stderr
    assert not list(tmp_path.iterdir())


def test_a_class_file_in_the_place_of_a_network_is_told(tmp_path: Path) -> None:
    learned = tmp_path / "cat.safetensors"
    assert run("learn", "--model", "tiny", "--name", "cat", "--out", learned).returncode == 0
    shown = run("export", "--model", learned, "--names", "cat", "--out", tmp_path / "graphs")
    assert shown.returncode == 2
    assert "is a class file of `cdpnet learn`, no network; `cdpnet label --classes` takes it." in shown.stderr


def test_the_encoder_has_a_short_name() -> None:
    assert encoder_by_name(["--encoder", "tiny", "--encoder=tiny", "--encoder.name=tiny"]) == [
        *("--encoder.name", "tiny", "--encoder.name=tiny", "--encoder.name=tiny"),
    ]


def test_a_preset_gives_way_to_a_file_of_settings() -> None:
    path = cdpnet.configs.preset("pascal", "resnet50")
    for named in (["--data", "pascal", "--encoder.name", "resnet50"], ["--data=pascal", "--encoder.name=resnet50"]):
        assert with_preset(named) == ["--config", path, *named]
        assert with_preset([*named, "--config", "own.yaml"]) == [*named, "--config", "own.yaml"]


def test_packaged_settings_are_settings_of_train_too(tmp_path: Path) -> None:
    for data in ("pascal", "coco"):
        for depth in (50, 101):
            path = cdpnet.configs.preset(data, f"resnet{depth}")
            printed = run("train", "--config", path, "--out", tmp_path, "--print_config")
            assert printed.returncode == 0, printed.stderr
            for setting in (f"data: {data}", f"name: resnet{depth}", "optimizer: sgd", "iterations: 6000"):
                assert setting in printed.stdout
            table = run("table", "--data", data, "--encoder", f"resnet{depth}", "--out", tmp_path, "--print_config")
            assert "iterations: 6000" in table.stdout
            assert f"name: resnet{depth}" in table.stdout
    photo = run("table", "--data", "coco", "--encoder", "photo", "--out", tmp_path, "--print_config")
    assert "trained: last:3" in photo.stdout
    own = tmp_path / "own.yaml"
    own.write_text("data: folder\nencoder:\n  name: resnet50\n")
    table = run("table", "--config", own, "--out", tmp_path, "--print_config")
    assert "iterations: 400" in table.stdout  # nothing of the embedded data's settings
    assert {row.method for row in cdpnet.configs.read_published("coco")} >= {"SSP", "HSNet", "BAM"}
