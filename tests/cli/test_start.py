"""What takes seconds to import is not loaded where it is not needed.

Help, wrong options and missing files are answered before PyTorch or a data base is loaded; the model `photo` loads
nothing heavy besides.
"""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.__main__ import run
from cdpnet.cli import _COMMANDS

CHILD = """
import contextlib, io, json, sys
from cdpnet.cli import main
codes, loaded = [], {}
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as stopped:
            code = stopped.code
    codes.append(code)
    for name in ("torch", "timm", "open_clip", "sqlite3"):
        if name in sys.modules:
            loaded.setdefault(name, arguments)
print(json.dumps([codes, loaded]))
"""
PHOTO_CHILD = """
import contextlib, importlib, io, json, sys
from cdpnet.cli import main
lines, modules = json.load(sys.stdin)
loaded = []
for arguments in lines:
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    loaded.append([arguments[0], code, *(name for name in modules if name in sys.modules)])
for module in ("cdpnet.web.server", "cdpnet.backend.server"):
    importlib.import_module(module)
    loaded.append([module, *(name for name in modules if name in sys.modules)])
print(json.dumps(loaded))
"""
SECONDS = ("timm", "open_clip", "torchvision", "torch._dynamo", "torch._inductor", "scipy.stats", "matplotlib")
MISSING = (
    ("segment", "none.jpg", "--name", "x", "--support", "none.jpg:none.png", "--out", "out"),
    ("segment", "none.jpg", "--name", "x", "--out", "out"),
    ("segment", "a.jpg", "--name", "x", "--support", "a.jpg:none.png", "--out", "out"),
    ("learn", "--name", "x", "--support", "none.jpg:none.png", "--out", "x.safetensors"),
    ("label", "none", "--classes", "none.safetensors", "--out", "out"),
    ("label", ".", "--classes", "none.safetensors", "--out", "out"),
    ("label", ".", "--name", "x", "--support", "a.jpg:none.png", "--out", "out"),
    ("classes", "none.safetensors"),
    *(
        (name, "--model", "none", *out)
        for name, *out in (
            ("web",),
            ("serve", "--label-studio", "--project", "new"),
            ("export", "--out", "out"),
            ("evaluate",),
            ("calibrate", "--out", "out"),
            ("levels", "--out", "out"),
        )
    ),
    *((*name.split(), "--data", "coco", "--root", "none") for name in ("evaluate", "data check", "data episodes")),
    *((name, "--data", "coco", "--root", "none", "--out", "out") for name in ("train", "calibrate", "levels", "table")),
    ("reproduce", "coco", "--root", "none", "--out", "out"),
    *((name, "--root", root, "--out", "out") for name in ("simulate", "clicks") for root in ("none", ".")),
    *(("evaluate", "--data", data, "--root", ".") for data in ("coco", "pascal", "folder")),
    *((name, "--image-weights", "none.pt", "--out", "out") for name in ("train", "table", "ablate", "export")),
    ("labels", "convert", "none.json", "out", "--images", ".", "--format", "png"),
)


def test_pytorch_is_not_loaded_before_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    helps = [[name, "--help"] for name in _COMMANDS]
    wrong = [[name, "--no-such-option"] for name in _COMMANDS]
    lines = [*helps, *wrong, *map(list, MISSING)]
    command = [sys.executable, "-c", CHILD]
    done = subprocess.run(command, input=json.dumps(lines), capture_output=True, text=True, cwd=tmp_path, check=True)
    codes, loaded = json.loads(done.stdout)
    assert loaded == {}
    assert codes == [0] * len(helps) + [2] * (len(wrong) + len(MISSING))
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
    refusals = done.stderr.splitlines()[-len(MISSING) :]
    assert all(line.startswith("cdpnet: There is no") or "nothing at none.json" in line for line in refusals), refusals


def test_the_model_photo_loads_neither_its_relatives_nor_the_compiler_of_torch(tmp_path: Path) -> None:
    """Half of the time to the first mask went into modules that are not used."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    mask = np.zeros((48, 64), np.uint8)
    mask[12:36, 16:48] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels[:, ::-1]).save(tmp_path / "photos" / "b.png")
    example = ["--name", "dog", "--support", "a.png:mask.png"]
    lines = [
        ["segment", *example, "--out", "masks", "photos/b.png"],
        ["learn", *example, "--out", "dog.safetensors"],
        ["label", "photos", "--classes", "dog.safetensors", "--out", "labels"],
    ]
    command, given = [sys.executable, "-c", PHOTO_CHILD], json.dumps([lines, SECONDS])
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == [
        ["segment", 0],
        ["learn", 0],
        ["label", 0],
        ["cdpnet.web.server"],
        ["cdpnet.backend.server"],
    ]


def test_a_process_ends_without_a_search_for_cycles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cdpnet", "--version"])
    try:
        assert run() == 0
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    assert capsys.readouterr().out.startswith("cdpnet ")


@pytest.fixture
def default_handlers() -> Iterator[None]:
    """The handlers that a process begins with; those of the tests come back."""
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("default_handlers")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_system_that_stops_a_command_ends_it_as_ctrl_c_does(
    name: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So folders of temporary files are removed, and what is finished is sent to addresses."""
    cleared = []

    def stopped(_: list[str]) -> None:
        try:
            signal.raise_signal(getattr(signal, name))
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None  # as Ray does
        finally:
            cleared.append(name)

    monkeypatch.setattr(sys, "argv", ["cdpnet", "label"])
    monkeypatch.setattr("cdpnet.cli.labelling.label", stopped)
    assert run() == code
    assert cleared == [name]
    assert capsys.readouterr().err == (
        "cdpnet: stopped. Finished images are kept; the same command labels the others.\n"
    )
    assert signal.getsignal(getattr(signal, name)) == signal.SIG_DFL  # the second one ends it at once


@pytest.mark.usefixtures("default_handlers")
def test_a_command_that_does_not_care_for_a_closed_terminal_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(sys, "argv", ["cdpnet", "--version"])
    assert run() == 0
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
