"""What naming images without a class gives, on a small folder of data."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from cdpnet.data.readers.folder import open_folder
from cdpnet.experiments import absence
from cdpnet.experiments.absence import AbsenceCurve, join_background, mean_absence, measure_absence
from cdpnet.experiments.config import CorrectionConfig
from cdpnet.experiments.shown_images import ShownImage, ShownImages
from cdpnet.inference.class_examples import ClassExample
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.learning import blank_thumbnail
from cdpnet.inference.segmenter import Segmenter
from cdpnet.report import corrections
from cdpnet.runtime.provenance import provenance
from tests.cli.running import run
from tests.data.trees import make_folder

FEW = ("--at-least", 5, "--at-most", 6, "--min-pixels", 400)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "folder"
    make_folder(root, parts=("train", "val"), each=6)
    return root


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most two images are named and two tested."""
    monkeypatch.setattr(absence, "COUNTS", (0, 1, 2))
    monkeypatch.setattr(corrections, "COUNTS", (0, 1, 2))
    monkeypatch.setattr(absence, "_TESTED_WITHOUT", 2)


@pytest.mark.usefixtures("few")
def test_the_command_prints_the_table_and_writes_the_curves(folder: Path, tmp_path: Path) -> None:
    options = ("--data", "folder", "--root", folder, "--model", "tiny", *FEW, "--absence")
    done = run("simulate", *options, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "out" / "absence.json").read_text())
    assert about.items() >= provenance().items()
    assert about["counts"] == [0, 1, 2]
    means = mean_absence([AbsenceCurve(**curve) for curve in about["curves"]])
    rows = [line for line in done.stdout.splitlines() if "false masks" in line]
    for row, (use, pairs) in zip(rows, means.items(), strict=True):
        assert use in row
        assert all(f"{false:.1f}" in row for false, _ in pairs)
    assert len({pairs[0] for pairs in means.values()}) == 1  # none is named yet
    false = [pair[0] for pair in means["threshold"]]
    assert false == sorted(false, reverse=True)  # a threshold only rises with the images that are named


def test_too_few_images_without_the_class_are_said(folder: Path, tmp_path: Path) -> None:
    options = ("--data", "folder", "--root", folder, "--model", "tiny", *FEW, "--absence")
    done = run("simulate", *options, "--out", tmp_path / "out")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "11 are needed" in done.stderr


@pytest.mark.usefixtures("few")
def test_named_images_are_not_tested(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, measured = Segmenter.from_pretrained("tiny", device="cpu"), []

    def keep(tests: absence._Tests, _: ClassPrototype, named: list[ShownImage]) -> dict[absence.Use, object]:
        measured.append((tests, named))
        return {use: [(0.0, 0.0)] for use in get_args(absence.Use)}

    monkeypatch.setattr(absence._Tests, "measure", keep)
    measure_absence(segmenter, open_folder(folder), CorrectionConfig(at_least=5, at_most=6, min_pixels=400), id)
    assert measured
    for tests, named in measured:
        assert (len(named), len(tests.absent)) == (2, 2)
        assert max(Counter(map(id, [*named, *tests.absent, *tests.shown])).values()) == 1
        assert all((shown.truth == 1).any() for shown in tests.shown)
        assert not any((shown.truth == 1).any() for shown in [*named, *tests.absent])


@torch.inference_mode()
def test_each_image_is_encoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter, reader = Segmenter.from_pretrained("tiny", device="cpu"), open_folder(folder)
    images, sizes, used = ShownImages(segmenter, reader), [], []
    encode = segmenter.network.image.features

    def counted(batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return encode(batch)

    monkeypatch.setattr(segmenter.network.image, "features", counted)
    for number, places in images.find_classes(CorrectionConfig(at_least=5, at_most=6, min_pixels=400)).items():
        for place in [*places, *images.find_absent(number, 400)]:
            images.show(place, number)
            used.append(place)
    assert sum(sizes) == len(set(used)) < len(used)


def test_images_without_the_class(folder: Path) -> None:
    reader = open_folder(folder)
    images = ShownImages(Segmenter.from_pretrained("tiny", device="cpu"), reader)
    everything = [(part, name) for part in reader.image_sets for name in reader.identifiers(part)]
    for number in (1, 2):
        shown = [place for place in everything if (reader.labels(*place) == number).any()]
        unlabelled = [place for place in everything if (reader.labels(*place) == -1).sum() >= 200]
        assert shown
        assert unlabelled
        assert set(images.find_absent(number, 200)) == set(everything) - set(shown) - set(unlabelled)


def test_backgrounds_are_joined_as_those_of_examples_are() -> None:
    def example(value: float) -> ClassExample:
        return ClassExample(torch.full((3,), value), torch.zeros(3), torch.full((2, 2, 3), value), 0.5)

    own = torch.stack((torch.zeros(2, 3), torch.tensor([[1.0] * 3, [2.0] * 3])))
    learned = ClassPrototype(
        "cat", torch.zeros(3), torch.ones(3), None, False, 1, blank_thumbnail(), ("", ""), parts=own
    )
    joined = join_background(learned, [example(3), example(6)])
    assert joined.background.tolist() == [3, 3, 3]
    assert joined.foreground.tolist() == [1, 1, 1]
    assert joined.parts is not None
    assert joined.parts[0, :, 0].tolist() == [0, 0, 3, 3, 6, 6]
    assert joined.parts[1, :, 0].tolist() == [1, 2, 1, 2, 1, 2]
    assert join_background(replace(learned, parts=None), [example(3)]).parts is None
