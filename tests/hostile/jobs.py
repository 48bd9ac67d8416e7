"""A small labelling job in this process, over a random network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from cdpnet.bulk.engines import Engine, label_locally
from cdpnet.bulk.job import JobResult, run_job
from cdpnet.bulk.labeller import Labeller
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.image_tensors import read_image
from cdpnet.io.label_folders import JOURNAL
from cdpnet.labels.label_set import FormatName, LabelSet
from tests.helpers import small_network

N_IMAGES = 5
SIZE = (40, 48)


def write_noise(path: Path, seed: int) -> None:
    """An image of coloured noise; every seed gives as many bytes, in BMP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)


@dataclass
class Job:
    """A folder of images and its labels. said: what the last run reported."""

    labeller: Labeller
    said: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, label_format: FormatName = "png") -> Job:
        """A job in ``folder``, with images 0.bmp, 1.bmp, .. that all show the class somewhere."""
        images = folder / "images"
        for seed in range(N_IMAGES):
            write_noise(images / f"{seed}.bmp", seed)
        segmenter = Segmenter(small_network(), longest_side=48)
        mask = np.zeros(SIZE, np.uint8)
        mask[10:30, 10:30] = 1
        learned = segmenter.learn("noise", read_image(images / "0.bmp"), mask)
        target = LabelSet(images, folder / "out", ("noise",))
        return cls(Labeller(segmenter, [learned], target, label_format, min_presence=0.0))

    @property
    def images(self) -> Path:
        return self.labeller.target.images

    @property
    def out(self) -> Path:
        return self.labeller.target.out

    @property
    def journal(self) -> Path:
        return self.out / JOURNAL

    def mask(self, name: object) -> Path:
        return self.out / "masks" / f"{name}.png"

    def thumbnail(self, name: object) -> Path:
        return self.out / "sheet" / f"{name}.jpg"

    def run(self, engine: Engine = label_locally, *, overwrite: bool = False, strict: bool = False) -> JobResult:
        self.said = []
        return run_job(self.labeller, engine, overwrite=overwrite, strict=strict, report=self.said.append)

    def undisturbed(self) -> dict[str, bytes]:
        """The files of the same job in a folder of its own."""
        target = replace(self.labeller.target, out=self.out.with_name("undisturbed"))
        run_job(replace(self.labeller, target=target), label_locally, overwrite=True)
        return contents(target.out)


def contents(out: Path) -> dict[str, bytes]:
    """The files of a folder of labels, by their paths."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
