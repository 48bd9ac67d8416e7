"""The front door: everything that a user needs is importable from `cdpnet`, and nothing heavy before it is used."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import cdpnet

EXAMPLE = Path(__file__).parents[1] / "examples" / "segment_images.py"
LIGHT = """
import sys
import cdpnet
assert not {"torch", "open_clip", "timm", "numpy", "PIL"} & set(sys.modules)
"""


def test_every_public_name_is_there() -> None:
    wanted = {"Segmenter", "load_network", "save_class", "load_class", "CdpnetError", "ConfigError", "DataError"}
    assert wanted | {"WeightsError", "Segmentation", "ClassPrototype", "EpisodeBatch", "Prediction"} < set(dir(cdpnet))
    for name in cdpnet.__all__:
        assert getattr(cdpnet, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        _ = cdpnet.Segmentor
    assert issubclass(cdpnet.WeightsError, cdpnet.CdpnetError)


def test_the_import_loads_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_few_lines_find_a_class_in_a_batch_of_images(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example uses nothing but `import cdpnet`, and a device by name."""
    source = EXAMPLE.read_text()
    assert set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)) == {"sys", "pathlib", "cdpnet"}
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "cpu"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    shares = [float(share) for share in re.findall(r"caravan on (\S+) %", capsys.readouterr().out)]
    assert shares == pytest.approx([16.7, 0.0, 17.4], abs=0.5)


def test_a_device_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for device, said in (("gpu", "no device 'gpu'; there are auto, cpu, cuda"), ("cuda:1", "finds 1 CUDA GPU here")):
        with pytest.raises(cdpnet.ConfigError, match=said):
            cdpnet.Segmenter.from_pretrained("tiny", device=device)
