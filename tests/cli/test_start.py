"""Help, wrong options and missing files are answered before PyTorch, whose import takes seconds, or a data base is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
MISSING = (
    ("segment", "none.jpg", "--name", "x", "--support", "none.jpg:none.png", "--out", "out"),
    ("segment", "none.jpg", "--name", "x", "--out", "out"),
    ("segment", "a.jpg", "--name", "x", "--support", "a.jpg:none.png", "--out", "out"),
    ("learn", "--name", "x", "--support", "none.jpg:none.png", "--out", "x.safetensors"),
    ("label", "none", "--classes", "none.safetensors", "--out", "out"),
    ("label", ".", "--classes", "none.safetensors", "--out", "out"),
    ("label", ".", "--name", "x", "--support", "a.jpg:none.png", "--out", "out"),
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
