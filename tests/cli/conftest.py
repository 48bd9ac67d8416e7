"""Fixtures of the command line: a labelling job, and a data set on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from cdpnet.data.icons.episodes import IconEpisodes
from tests.cli.running import run
from tests.data.trees import make_folder

COUNT = 20  # images of the job: more than a window of 16


@pytest.fixture(scope="session")
def label_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/ of two sizes, some deeper, and two class files that the command line made."""
    folder = tmp_path_factory.mktemp("job")
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(COUNT)).batch
    for i, image in enumerate(batch.query_images):
        _save(image[:, : 96 if i % 3 else 128], folder / "images" / ("deep" if i % 5 == 0 else "") / f"{i:03d}.png")
    for i in (0, 1):
        _save(batch.support_images[i, 0], folder / f"support{i}.png")
        Image.fromarray(batch.support_masks[i, 0].numpy() * 255).save(folder / f"mask{i}.png")
        support = f"{folder / f'support{i}.png'}:{folder / f'mask{i}.png'}"
        out = folder / f"class{i}.safetensors"
        shown = run("learn", "--model", "tiny", "--name", batch.class_names[i], "--support", support, "-o", out)
        assert shown.returncode == 0, shown.stderr
        assert f"{batch.class_names[i]!r}" in shown.stdout
        assert "1 image" in shown.stdout
    return folder


@pytest.fixture(scope="session")
def job_labels(label_job: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of that job, made without a stop, as masks."""
    out = tmp_path_factory.mktemp("labels") / "out"
    shown = run("label", "--model", "tiny", label_job / "images", "--classes", *class_files(label_job), "--out", out)
    assert shown.returncode == 0, shown.stderr
    assert "images/s" in shown.stderr
    assert f"{COUNT} images" in shown.stdout
    assert str(out / "index.html") in shown.stdout
    return out


def class_files(job: Path) -> list[Path]:
    return [job / "class0.safetensors", job / "class1.safetensors"]


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of the format folder: 30 images of each split, five classes."""
    root = tmp_path_factory.mktemp("own")
    make_folder(root, each=30)
    return root


@pytest.fixture(autouse=True)
def data_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of indexes of data sets, one for all tests; not the user's."""
    path = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("CDPNET_CACHE", str(path))
    return path


def _save(image: torch.Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
