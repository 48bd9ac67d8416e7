"""`cdpnet completion`: what a shell completes, asked of bash itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import run

ASK = """
source "$1"; shift
FUNCTION=$(complete -p cdpnet | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
for line in "$@"; do
  COMP_WORDS=($line); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMPREPLY=()
  $FUNCTION cdpnet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
  echo "${COMPREPLY[@]}"
done
"""
COMPLETED = {  # what is typed, and one of the words that complete it
    "cdpnet seg": "segment",
    "cdpnet labels co": "convert",
    "cdpnet label --min-pre": "--min-presence",
    "cdpnet train --encoder.text": "--encoder.text-tower",
    "cdpnet label --format vo": "voc",
    "cdpnet train --optimizer ad": "adamw",
}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shown = run("completion", "bash")
    assert shown.returncode == 0, shown.stderr
    path = tmp_path_factory.mktemp("completion") / "cdpnet.bash"
    path.write_text(shown.stdout)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(script: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", ASK, "ask", str(script), *COMPLETED], capture_output=True, text=True, check=True
    )
    for answer, (line, expected) in zip(done.stdout.splitlines(), COMPLETED.items(), strict=True):
        assert expected in answer.split(), line


def test_zsh_and_no_other() -> None:
    shown = run("completion", "zsh").stdout
    assert shown.startswith("#compdef cdpnet")
    assert shown.replace("\n", "").isprintable()
    assert "\\x" not in shown
    assert "--print-config[print all settings that result, as YAML, and stop]" in shown
    assert run("completion", "fish").returncode == 2
