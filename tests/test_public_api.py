"""The front door: everything that a user needs is importable from `cdpnet`, and nothing heavy before it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cdpnet

EXAMPLE = Path(__file__).parents[1] / "examples" / "segment_images.py"
SCRIPT = """
import runpy, sys
import cdpnet
assert not {"torch", "open_clip", "timm", "numpy", "PIL"} & set(sys.modules)
sys.argv[:1] = []
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_every_public_name_is_there() -> None:
    wanted = {"Segmenter", "load_network", "save_class", "load_class", "CdpnetError", "ConfigError", "DataError"}
    assert wanted | {"WeightsError", "Segmentation", "ClassPrototype", "EpisodeBatch", "Prediction"} < set(dir(cdpnet))
    for name in cdpnet.__all__:
        assert getattr(cdpnet, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        _ = cdpnet.Segmentor
    assert issubclass(cdpnet.WeightsError, cdpnet.CdpnetError)


def test_a_few_lines_find_a_class_in_a_batch_of_images() -> None:
    """The example uses nothing but `import cdpnet`, which loads no heavy library, and a device by name."""
    source = EXAMPLE.read_text()
    assert set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)) == {"sys", "pathlib", "cdpnet"}
    command = [sys.executable, "-c", SCRIPT, str(EXAMPLE), "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shares = [float(share) for share in re.findall(r"caravan on (\S+) %", done.stdout)]
    assert shares == pytest.approx([16.7, 0.0, 17.4], abs=0.5)


def test_a_device_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for device, said in (("gpu", "no device 'gpu'; there are auto, cpu, cuda"), ("cuda:1", "finds 1 CUDA GPU here")):
        with pytest.raises(cdpnet.ConfigError, match=said):
            cdpnet.Segmenter.from_pretrained("tiny", device=device)
