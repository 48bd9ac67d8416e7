"""Writing: a full disk is noticed in every file, which is then absent, and named; leftovers of a kill are removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io.files import atomic, remove_leftovers, write_image, write_json, write_text
from cdpnet.labels.palette import write_mask
from cdpnet.training.run import save_state
from tests.cli.test_labelling_stopped import file_size_limit
from tests.hostile.jobs import Job, contents

LIMIT = 4000  # bytes
NOISE = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)


def _arrays(path: Path) -> None:
    with atomic(path) as temporary:
        np.savez_compressed(temporary, values=NOISE)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.jpg": lambda path: write_image(Image.fromarray(NOISE), path, quality=85),
    "a.png": lambda path: write_image(Image.fromarray(NOISE), path),
    "mask.png": lambda path: write_mask(path, NOISE[..., 0]),
    "a.txt": lambda path: write_text("a" * 2 * LIMIT, path),
    "a.json": lambda path: write_json(["a"] * LIMIT, path),
    "a.pt": lambda path: save_state({"weights": torch.zeros(LIMIT)}, path),
    "a.npz": _arrays,
}


@pytest.mark.parametrize(("name", "write"), WRITERS.items(), ids=WRITERS)
def test_a_full_disk_is_noticed_and_the_file_named(name: str, write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / name
    with file_size_limit(LIMIT), pytest.raises(OSError, match="File too large") as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())
    write(path)
    assert path.stat().st_size > LIMIT


def test_a_job_on_a_full_disk_goes_on_later(tmp_path: Path) -> None:
    """The small images of noise are larger than 1,500 bytes."""
    job = Job.of(tmp_path)
    with file_size_limit(1500), pytest.raises(DataError, match=r"cannot be written to \(File too large\)"):
        job.run()
    assert not list(job.out.rglob(".*.*.*"))
    job.run()
    assert contents(job.out) == job.undisturbed()


@pytest.mark.parametrize("stem", ["a", "a.b", "n" * 251, "\N{PILE OF POO}" * 62], ids=["short", "dot", "long", "wide"])
def test_leftovers_are_known_by_name(stem: str, tmp_path: Path) -> None:
    ours, foreign = tmp_path / f"{stem}.png", tmp_path / ".another.0123abcd.png"
    foreign.touch()
    with atomic(ours) as temporary:
        temporary.touch()
        shutil.copy(temporary, tmp_path / "copy")
    shutil.move(tmp_path / "copy", temporary)
    remove_leftovers(tmp_path, {ours.name})
    assert sorted(tmp_path.iterdir()) == sorted([ours, foreign])


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_nothing_comes_in_the_place_of_a_pipe(write: Callable[[Path], object], tmp_path: Path) -> None:
    """Nor of a device: as root, a file would replace /dev/null."""
    pipe, link = tmp_path / "a.png", tmp_path / "link.png"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(DataError, match="is a pipe; give the name of a file to write"):
            write(path)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_is_not_replaced(tmp_path: Path) -> None:
    job = Job.of(tmp_path)
    job.mask(0).parent.mkdir(parents=True)
    job.mask(0).symlink_to("nowhere")
    with pytest.raises(DataError, match="exists already"):
        job.run()
